"use strict";
// Whatever a shop typed into a product's name goes into the page as text, through make() and draw(), never as HTML.

const LISTS = {
  goes_with: { title: "Goes with it", icon: "M8 1v10M3 6h10" },
  after: { title: "Bought after it", icon: "M1 6h13M10 2l4 4-4 4" },
  before: { title: "Bought before it", icon: "M15 6H2M6 2 2 6l4 4" },
  instead: { title: "Instead of it", icon: "M2 3.5h11M10 1l3 2.5L10 6M13 9H2M5 6.5 2 9l3 2.5" },
};
const DECISIONS = {
  show: ["show", "✓ show"],
  abstain: ["abstain", "? abstain"],
  "don't show": ["not", "✕ don't show"],
};
const FEW = 4, MANY = 20, FEWEST_COUNTED = 3;
const KEY = "onward-key";
const SVG = "http://www.w3.org/2000/svg";
const NUMBERS = new Intl.NumberFormat("en");
const at = (id) => document.getElementById(id);
const motion = matchMedia("(prefers-reduced-motion: reduce)");
const narrow = matchMedia("(max-width: 46rem)");

let champion = null;
let shown = { product: null, weight: null, long: false };
let answer = null;
let arrows = [];

// ---- Elements ----

function filled(element, attributes, children) {
  for (const [name, value] of Object.entries(attributes)) {
    if (value !== null && value !== false) element.setAttribute(name, value === true ? "" : value);
  }
  element.append(...children.filter((child) => child !== null));
  return element;
}
const make = (tag, attributes = {}, ...children) => filled(document.createElement(tag), attributes, children);
const draw = (tag, attributes = {}, ...children) => filled(document.createElementNS(SVG, tag), attributes, children);

// ---- Asking the service ----

class Refused extends Error {
  constructor(status, code, message) {
    super(message);
    this.status = status;
    this.code = code;
  }
}

let keyIsAsked = null;

function askForKey(problem) {
  // Several questions may be refused at once: one dialog answers them all.
  keyIsAsked ??= new Promise((resolve) => {
    at("key-problem").textContent = problem;
    at("key").value = "";
    at("ask-key").showModal();
    at("key-form").onsubmit = (event) => {
      event.preventDefault();
      sessionStorage.setItem(KEY, at("key").value.trim());
      at("ask-key").close();
      keyIsAsked = null;
      resolve();
    };
  });
  return keyIsAsked;
}
at("ask-key").addEventListener("cancel", (event) => event.preventDefault());

async function ask(path, signal) {
  for (;;) {
    const key = sessionStorage.getItem(KEY);
    const reply = await fetch(path, { headers: key ? { "X-API-Key": key } : {}, signal, cache: "no-store" });
    const body = await reply.json().catch(() => ({}));
    if (reply.ok) return body;
    if (reply.status !== 401) throw new Refused(reply.status, body.code, body.message ?? `status ${reply.status}`);
    // Another question may have been given a key while this one was under way.
    if (sessionStorage.getItem(KEY) === key) await askForKey(key ? "This key is not one that the service knows." : "");
  }
}

// ---- State, in the address ----

const addressOf = (product, weight = shown.weight) => {
  const query = new URLSearchParams();
  if (product !== null) query.set("product", product);
  if (weight !== null) query.set("weight", weight);
  return `?${query}`;
};

function readAddress() {
  const query = new URLSearchParams(location.search);
  const weight = query.get("weight");
  const number = weight === null || weight.trim() === "" ? NaN : Number(weight);
  shown.product = query.get("product") || null;
  shown.weight = number >= 0 && number <= 1 ? number : null;
}

function go(product) {
  shown.product = product;
  shown.long = false;
  history.pushState(null, "", addressOf(product));
  closeSuggestions();
  at("search").value = "";
  return refresh(true);
}

function follow(event, product) {
  if (event.ctrlKey || event.metaKey || event.shiftKey || event.altKey || event.button > 0) return;
  event.preventDefault();
  go(product);
}

// Sources put size and brand behind the name.
function namePieces(name) {
  const end = name.indexOf(" · ");
  return end < 0 ? [name] : [name.slice(0, end), make("span", { class: "rest" }, name.slice(end))];
}

function link(product, name) {
  const element = make("a", { href: addressOf(product), title: `product ${product}` }, ...namePieces(name));
  element.addEventListener("click", (event) => follow(event, product));
  return element;
}

// ---- The model in use and its problems ----

function age(days) {
  if (days < 0) return "from the future";
  if (days < 60) return `${days} ${days === 1 ? "day" : "days"} old`;
  return days < 730 ? `${Math.round(days / 30.4)} months old` : `${(days / 365.25).toFixed(0)} years old`;
}

async function tellChampion() {
  champion = await ask("v1/champion");
  const days = `${NUMBERS.format(champion.age_days)} days since`;
  at("champion").replaceChildren(
    make("b", {}, `Version ${champion.version}`), ` · ${champion.source.replaceAll("_", " ")}`, make("br"), make("span", { class: "dot" }, " · "),
    make("span", { title: days }, `knows all before ${champion.as_of} · ${age(champion.age_days)}`),
  );
}

async function tellProblems() {
  let ready;
  try {
    // Without a model the status is 503, and the body says why all the same.
    ready = await (await fetch("health/ready", { cache: "no-store" })).json();
  } catch {
    ready = { status: "gone", version: null, problems: ["the service does not answer; is `onward serve` running?"] };
  }
  const heading = {
    gone: "No answer",
    "not ready": "No model answers yet",
    degraded: `Version ${ready.version} answers on, but not all is well`,
  }[ready.status];
  banner(heading, ready.problems);
  if (ready.version !== null && (champion === null || champion.version !== ready.version)) await start();
}

function banner(heading, problems = []) {
  const lines = problems.map((problem) => make("li", {}, problem));
  const content = heading ? [make("strong", {}, heading), make("ul", {}, ...lines)] : [];
  // An alert that says the same again would be read out again.
  if (at("banner").textContent === content.map((part) => part.textContent).join("")) return;
  at("banner").replaceChildren(...content);
  at("banner").hidden = !heading;
}
