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

// ---- Search ----

let options = [];
let active = -1;
let typing = null;
let searching = new AbortController();

function closeSuggestions() {
  clearTimeout(typing);
  searching.abort();
  options = [];
  active = -1;
  at("suggestions").hidden = true;
  at("search").setAttribute("aria-expanded", "false");
  at("search").removeAttribute("aria-activedescendant");
}

function choose(place) {
  active = place;
  const items = [...at("suggestions").children];
  items.forEach((item, number) => item.setAttribute("aria-selected", String(number === place)));
  items[place].scrollIntoView({ block: "nearest" });
  at("search").setAttribute("aria-activedescendant", items[place].id);
}

async function suggest(words) {
  searching.abort();
  searching = new AbortController();
  if (!words.trim()) return closeSuggestions();
  let products;
  try {
    ({ products } = await ask(`v1/search?k=12&q=${encodeURIComponent(words)}`, searching.signal));
  } catch (error) {
    if (error.name !== "AbortError") tell(error);
    return undefined;
  }
  const chosen = options[active]?.product_id;
  options = products;
  active = -1;
  const items = products.map((product, number) => {
    const item = make("li", { id: `option-${number}`, role: "option", "aria-selected": "false" },
      product.name, make("small", {}, [product.category, product.product_id].filter(Boolean).join(" · ")));
    // Before the press takes the focus from the box, which would close the list.
    item.addEventListener("pointerdown", (event) => event.preventDefault());
    item.addEventListener("click", () => go(product.product_id));
    return item;
  });
  if (!items.length) items.push(make("li", { class: "none", role: "option", "aria-disabled": "true" }, "No product of such a name"));
  at("suggestions").replaceChildren(...items);
  at("suggestions").hidden = false;
  at("search").setAttribute("aria-expanded", "true");
  at("search").removeAttribute("aria-activedescendant");
  at("suggestions").setAttribute("aria-label", `Products named ${words}`);
  at("told").textContent = `${products.length} products`;
  // More letters bring a new list, in which what was chosen stays so.
  const kept = products.findIndex((product) => product.product_id === chosen);
  if (kept >= 0) choose(kept);
  return undefined;
}

at("search").addEventListener("input", () => {
  clearTimeout(typing);
  typing = setTimeout(() => suggest(at("search").value), 100);
});
at("search").addEventListener("blur", closeSuggestions);
at("search").addEventListener("keydown", (event) => {
  if (event.key === "Escape") closeSuggestions();
  if (!["ArrowDown", "ArrowUp"].includes(event.key) || !options.length) return;
  event.preventDefault();
  const step = event.key === "ArrowDown" ? 1 : -1;
  choose(active < 0 && step < 0 ? options.length - 1 : (active + step + options.length) % options.length);
});
at("finder").addEventListener("submit", async (event) => {
  event.preventDefault();
  if (active < 0) {
    // Enter may come before the answer to what was typed last.
    clearTimeout(typing);
    await suggest(at("search").value);
  }
  if (options.length) await go(options[Math.max(active, 0)].product_id);
});
document.addEventListener("keydown", (event) => {
  const typed = event.target.closest?.("input:not([type=range]), dialog");
  if (event.key !== "/" || typed || event.ctrlKey || event.metaKey || event.altKey) return;
  event.preventDefault();
  at("search").focus();
});

// ---- Lists ----

const percent = (share) => {
  const value = share * 100;
  return value >= 9.95 ? value.toFixed(0) : value.toFixed(value >= 0.095 ? 1 : 2);
};

function bar(entry, most) {
  const x = (share) => (200 * share) / most;
  const attributes = { class: entry.decision === "show" ? "bar" : "bar no", viewBox: "0 0 200 14", preserveAspectRatio: "none", "aria-hidden": "true" };
  const range = (path) => draw("path", { class: "range", d: path, "vector-effect": "non-scaling-stroke", fill: "none" });
  return draw("svg", attributes,
    draw("rect", { class: "track", x: 0, y: 3, width: 200, height: 8 }),
    draw("rect", { class: "fill", x: 0, y: 3, width: x(entry.probability), height: 8 }),
    range(`M${x(entry.low)} 7H${x(entry.high)}M${x(entry.low)} 3.5v7M${x(entry.high)} 3.5v7`));
}

function doubt(entry) {
  const levels = champion.levels ?? 1;
  const dots = Array.from({ length: levels }, (_, place) =>
    draw("circle", { class: place < levels - entry.level ? "on" : null, cx: 4 + place * 10, cy: 4, r: 3.6 }));
  return make("span", { class: "doubt", title: `uncertainty level ${entry.level} of 0 to ${levels - 1}` },
    draw("svg", { viewBox: `0 0 ${levels * 10 - 2} 8`, "aria-hidden": "true" }, ...dots), entry.doubt);
}

function whyNot(entry, source, target) {
  if (entry.why_decision.startsWith("no impression")) {
    const kinds = source && target ? ` (${last(target)} after ${last(source)})` : "";
    return `No impression of that kind${kinds} was ever shown to anybody, so nothing is known of how it would be taken. The policy abstains and leaves it to you.`;
  }
  if (entry.threshold === null) {
    return `How sure the model is of this pair: ${entry.doubt} (level ${entry.level}). No cut keeps the promised precision there, so nothing of that level is shown.`;
  }
  const promise = champion.precision_target === null ? "" : ` The cuts are set so that at least ${percent(champion.precision_target)} % of what is shown is bought.`;
  return `How sure the model is of this pair: ${entry.doubt} (level ${entry.level}). Its ${entry.why_decision}.${promise}`;
}

const last = (category) => category.split(" > ").at(-1);

function row(entry, list, most) {
  const [kind, word] = DECISIONS[entry.decision] ?? ["not", "no decision"];
  const ends = [answer.category, entry.category];
  const [source, target] = list === "before" ? ends.reverse() : ends;
  const chance = entry.probability === null ? null : make("span", { class: "chance" },
    make("b", {}, `${percent(entry.probability)} %`), make("span", { class: "hidden" }, ", between "),
    make("small", {}, `${percent(entry.low)} to ${percent(entry.high)}`));
  return make("li", { "data-product": entry.product_id },
    make("div", { class: "line" }, link(entry.product_id, entry.name), chance),
    entry.probability === null ? null : bar(entry, most),
    make("div", { class: "said" },
      entry.decision === null ? null : make("span", { class: `decision ${kind}` }, word),
      entry.doubt === null ? null : doubt(entry)),
    make("p", { class: "why" }, entry.why),
    entry.decision === null || entry.decision === "show" ? null
      : make("details", {}, make("summary", {}, "Why not shown"), make("p", {}, whyNot(entry, source, target))));
}

const places = () => new Map([...document.querySelectorAll("#lists li")].map((item) =>
  [`${item.parentElement.dataset.list} ${item.dataset.product}`, item.getBoundingClientRect().top]));

function showLists() {
  const before = places();
  const entries = Object.values(answer.lists).flat();
  const most = Math.max(...entries.map((entry) => entry.high ?? 0), 1e-9);
  const notes = {
    goes_with: "In the same basket",
    after: `Within ${champion.follow_days ?? "some"} days after it`,
    before: `Within ${champion.follow_days ?? "some"} days before it`,
    instead: "Could stand in for it",
  };
  const cards = Object.entries(LISTS).filter(([name]) => name in answer.lists).map(([name, list]) => {
    const title = make("h2", { id: `title-${name}` }, draw("svg", { viewBox: "0 0 16 12", "aria-hidden": "true" }, draw("path", { d: list.icon })), list.title);
    const rows = answer.lists[name].map((entry) => row(entry, name, most));
    return make("section", { id: `list-${name}`, class: "card", "aria-labelledby": `title-${name}` }, title, make("p", { class: "soft small" }, notes[name]),
      rows.length ? make("ol", { "data-list": name }, ...rows) : make("p", { class: "soft small" }, "Nothing is known."));
  });
  at("lists").replaceChildren(...cards);
  at("more").hidden = !Object.values(answer.lists).some((list) => list.length >= FEW);
  at("more").textContent = shown.long ? "Show less" : "Show more of each list";
  at("more").setAttribute("aria-expanded", String(shown.long));
  const days = answer.attribution_days;
  at("legend").textContent = entries.every((entry) => entry.probability === null)
    ? "This source has no impressions, so the lists have an order and no chances."
    : `The chance: that a typical customer who is shown the second product after buying the first buys it new within ${days} days. The thin line is how far the model doubts it; more dots, less doubt.`;
  at("legend").textContent += answer.directed || !("after" in answer.lists) ? ""
    : " This log shows no order beyond frequency and season, so after and before lean on what goes together.";
  if (motion.matches) return;
  for (const item of document.querySelectorAll("#lists li")) {
    const from = before.get(`${item.parentElement.dataset.list} ${item.dataset.product}`);
    const way = from === undefined ? 0 : from - item.getBoundingClientRect().top;
    if (way) item.animate([{ transform: `translateY(${way}px)` }, { transform: "none" }], { duration: 260, easing: "ease-out" });
  }
}

// ---- The slider ----

let waiting = null;
let oneOrder = null;

function showDial() {
  at("dial").hidden = answer.weight === null;
  if (answer.weight === null) return;
  const deployed = champion.weight;
  at("weight").value = answer.weight;
  at("weight").setAttribute("aria-valuetext", wordOf(answer.weight));
  at("weight").disabled = oneOrder !== null;
  at("weight-note").textContent = oneOrder ?? `${wordOf(answer.weight)}${answer.weight === deployed ? ", as deployed" : ""}.`
    + (answer.directed ? " After and before keep their order." : "");
  at("weight-reset").hidden = answer.weight === deployed;
}

function wordOf(weight) {
  if (weight === 0) return "0: the most related first";
  if (weight === 1) return "1: the most probable first";
  return `${Number(weight).toFixed(2)} of the way`;
}

function turn(weight) {
  shown.weight = weight;
  history.replaceState(null, "", addressOf(shown.product));
  clearTimeout(waiting);
  waiting = setTimeout(() => refresh(false), 60);
}
at("weight").addEventListener("input", () => {
  at("weight").setAttribute("aria-valuetext", wordOf(Number(at("weight").value)));
  turn(Number(at("weight").value));
});
at("weight-reset").addEventListener("click", () => { turn(null); at("weight").focus(); });
at("more").addEventListener("click", () => { shown.long = !shown.long; refresh(false); });

// ---- The neighbourhood ----

// On a phone there is no room for numbers on the arrows: they stand in the nodes.
const SHAPES = {
  wide: { tall: false, width: 1180, height: 400, box: [206, 46], around: 3, centre: [236, 62], rows: [0.15, 0.38, 0.62, 0.85], lines: 2 },
  tall: { tall: true, width: 350, height: 560, box: [116, 66], around: 1, centre: [150, 72], rows: [0.19, 0.335, 0.665, 0.81], lines: 2 },
};
const SIDE = 4;
const pen = document.createElement("canvas").getContext("2d");

function wrapped(text, width, most, bold) {
  pen.font = `${bold ? 620 : 400} 12.5px ${getComputedStyle(document.body).fontFamily}`;
  const lines = [""];
  for (const word of text.split(/\s+/)) {
    const longer = `${lines.at(-1)} ${word}`.trim();
    if (pen.measureText(longer).width <= width || !lines.at(-1)) lines[lines.length - 1] = longer;
    else lines.push(word);
  }
  const kept = lines.slice(0, most);
  if (lines.length > most) kept[most - 1] += " …";
  return kept.map((line) => {
    let cut = line;
    while (pen.measureText(cut).width > width && cut.length > 2) cut = `${cut.replace(/ ?…$/, "").slice(0, -1)}…`;
    return cut;
  });
}

function node(x, y, [width, height], name, lines, product, caption = "") {
  const words = wrapped(name, width - 14, lines, product === null).map((line) => [line, null]);
  if (caption) words.push([caption, "caption"]);
  const texts = words.map(([line, kind], number) =>
    draw("text", { class: kind, x, y: y + (number - (words.length - 1) / 2) * 15.5 + 4.5, "text-anchor": "middle" }, line));
  const rect = draw("rect", { x: x - width / 2, y: y - height / 2, width, height, rx: 10 });
  if (product === null) return draw("g", { class: "centre" }, rect, ...texts);
  const element = draw("a", { class: "node", href: addressOf(product) }, draw("title", {}, `${name} (product ${product})`), rect, ...texts);
  element.addEventListener("click", (event) => follow(event, product));
  return element;
}

const said = (arrow) => {
  if (arrow.count === null) return "";
  if (arrow.count >= FEWEST_COUNTED || !arrow.type_count) return NUMBERS.format(arrow.count);
  return `types ${NUMBERS.format(arrow.type_count)}`;
};
const wayOf = (arrow) => ({ out: "bought after", in: "bought before", both: "goes with it" })[arrow.way];

// Where everything stands: [arrow, middle of its node, start and end of its line, how the line bends].
function layout(shape) {
  const { tall, width, height, box, centre, around } = shape;
  const [x0, y0] = [width / 2, height / 2];
  const of = (list, most) => arrows.filter((arrow) => arrow.list === list).slice(0, most);
  const places = [];
  for (const [list, way] of [["before", -1], ["after", 1]]) {
    const neighbours = of(list, SIDE);
    const rows = tall || neighbours.length === SIDE ? shape.rows : { 1: [0.5], 2: [0.36, 0.64], 3: [0.2, 0.5, 0.8] }[neighbours.length];
    neighbours.forEach((arrow, number) => {
      const x = way < 0 ? box[0] / 2 + 2 : width - box[0] / 2 - 2;
      const y = rows[number] * height;
      const outer = number === 0 || number === 3;
      // The head of an arrow needs its own length between line and node.
      const rim = [x - way * (box[0] / 2 + (way > 0 ? 9 : 1)), y];
      const hub = tall
        ? [x0 + way * centre[0] * (outer ? 0.13 : 0.27), y0 + Math.sign(y - y0) * (centre[1] / 2 + (way < 0 ? 9 : 1))]
        : [x0 + way * (centre[0] / 2 + (way < 0 ? 9 : 1)), y0 + ((y - y0) / height) * centre[1] * 0.9];
      places.push([arrow, [x, y], ...(way > 0 ? [hub, rim] : [rim, hub]), tall ? (way > 0 ? "rising" : "falling") : "across"]);
    });
  }
  const goesWith = of("goes_with", around * 2);
  goesWith.forEach((arrow, number) => {
    const way = number % 2 === 0 ? -1 : 1;
    const inRow = way < 0 ? Math.ceil(goesWith.length / 2) : Math.floor(goesWith.length / 2);
    const place = Math.floor(number / 2) - (inRow - 1) / 2;
    const x = x0 + place * (box[0] + 18);
    const y = way < 0 ? box[1] / 2 + 2 : height - box[1] / 2 - 2;
    places.push([arrow, [x, y], [x0 + place * 44, y0 + way * centre[1] / 2], [x, y - way * box[1] / 2], "straight"]);
  });
  return places;
}

const BENDS = {
  straight: () => "L",
  across: (x1, y1, x2, y2) => `C${(x1 + x2) / 2} ${y1} ${(x1 + x2) / 2} ${y2} `,
  falling: (x1, y1, x2) => `Q${x2} ${y1} `,
  rising: (x1, y1, x2, y2) => `Q${x1} ${y2} `,
};

function showMap() {
  const shape = narrow.matches ? SHAPES.tall : SHAPES.wide;
  const { tall, width, height, box, centre, lines } = shape;
  const parts = { paths: [], nodes: [], counts: [] };
  const strongest = Math.max(...arrows.map((arrow) => arrow.count ?? 0), 1);
  for (const [arrow, spot, [x1, y1], [x2, y2], bend] of layout(shape)) {
    const thick = 1.2 + (tall ? 2.5 : 4) * Math.log1p(arrow.count ?? 0) / Math.log1p(strongest);
    const path = `M${x1} ${y1}${BENDS[bend](x1, y1, x2, y2)}${x2} ${y2}`;
    const head = arrow.way === "both" ? null : `url(#head-${arrow.way})`;
    parts.paths.push(draw("path", { class: `arrow ${arrow.way}`, d: path, "stroke-width": thick.toFixed(1), "marker-end": head }));
    const label = said(arrow);
    const element = node(...spot, box, arrow.name, lines, arrow.product_id, tall ? label : "");
    element.setAttribute("aria-label", [arrow.name, wayOf(arrow), label].filter(Boolean).join(", "));
    parts.nodes.push(element);
    if (label && !tall) parts.counts.push(draw("text", { class: "count", x: (x1 + x2) / 2, y: (y1 + y2) / 2 + 4, "text-anchor": "middle", "aria-hidden": "true" }, label));
  }
  const head = (way) => draw("marker", { id: `head-${way}`, class: way, viewBox: "0 0 10 10", refX: 1, refY: 5, markerWidth: 9, markerHeight: 9, markerUnits: "userSpaceOnUse", orient: "auto" }, draw("path", { d: "M0 0 10 5 0 10z" }));
  const label = `${arrows.length} neighbours of ${answer.name}`;
  at("map").replaceChildren(draw("svg", { viewBox: `0 0 ${width} ${height}`, role: "group", "aria-label": label },
    draw("defs", {}, head("out"), head("in")), ...parts.paths, node(width / 2, height / 2, centre, answer.name, 3, null), ...parts.counts, ...parts.nodes));
  const days = arrows.find((arrow) => arrow.days !== null)?.days;
  at("around").hidden = !arrows.length;
  at("around-note").textContent = "Left: bought before it. Right: bought after it. Above and below: in the same basket. "
    + (arrows.some((arrow) => arrow.count !== null) ? `Numbers are visits within ${days ?? "some"} days, or baskets, with both; “types” where the pair itself is too rare and its types are counted. ` : "")
    + "A product opens by click or Enter.";
}
narrow.addEventListener("change", () => { if (answer) showMap(); });

// ---- One product ----

let turnNumber = 0;

async function refresh(moved) {
  const mine = ++turnNumber;
  at("start").hidden = shown.product !== null;
  if (shown.product === null) {
    at("product").hidden = true;
    answer = null;
    document.title = "Onward: related products";
    return;
  }
  const product = encodeURIComponent(shown.product);
  const weight = shown.weight === null ? "" : `&weight=${shown.weight}`;
  try {
    const [related, neighbourhood] = await Promise.all([
      ask(`v1/related/${product}?k=${shown.long ? MANY : FEW}${weight}`),
      moved ? ask(`v1/neighbourhood/${product}?k=6`) : { arrows },
    ]);
    // Who was asked later is the one that is wanted.
    if (mine !== turnNumber) return;
    if (champion === null || champion.version !== related.version) await tellChampion();
    answer = related;
    arrows = neighbourhood.arrows;
  } catch (error) {
    if (mine === turnNumber) await cannot(error, moved);
    return;
  }
  at("product").hidden = false;
  document.title = `${answer.name}: Onward`;
  at("category").textContent = answer.category.replaceAll(" > ", " › ");
  at("name").replaceChildren(...namePieces(answer.name));
  at("facts").textContent = `product ${answer.product_id}`
    + (answer.of_its_type ? " · sells too little for lists of its own: these are its type's" : "");
  showLists();
  showDial();
  at("told").textContent = `${answer.name}, ${wordOf(answer.weight ?? 0)}`;
  if (!moved) return;
  showMap();
  scrollTo(0, 0);
  at("name").focus({ preventScroll: true });
}

async function cannot(error, moved) {
  if (error.code === "cannot_answer" && shown.weight !== null) {
    // A model may keep one order alone: then that order is shown, and the slider says why it does not move.
    oneOrder = error.message;
    shown.weight = null;
    history.replaceState(null, "", addressOf(shown.product));
    await refresh(moved);
    return;
  }
  if (moved) at("product").hidden = true;
  tell(error);
}

function tell(error) {
  if (error instanceof Refused) banner(error.status === 404 ? "No such product" : "The service refused", [error.message]);
  else banner("No answer", ["the service does not answer; is `onward serve` running?"]);
}

let starting = false;

async function start() {
  // The first question may wait for a key, and health is looked at meanwhile.
  if (starting) return;
  starting = true;
  oneOrder = null;
  try {
    await tellChampion();
    await refresh(true);
  } catch (error) {
    if (error.status !== 503) tell(error);
  } finally {
    starting = false;
  }
}

addEventListener("popstate", () => {
  const { product, weight } = shown;
  readAddress();
  // A jump within the page comes here as well.
  if (shown.product !== product || shown.weight !== weight) refresh(shown.product !== product);
});
document.querySelector(".brand").addEventListener("click", (event) => {
  event.preventDefault();
  shown = { product: null, weight: null, long: false };
  history.pushState(null, "", location.pathname);
  refresh(true);
  at("search").focus();
});
setInterval(() => { if (!document.hidden) tellProblems(); }, 10000);
readAddress();
tellProblems();
