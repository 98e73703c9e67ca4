// The four lists as cards.

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
  // A graph's edges have no days.
  const within = champion.follow_days === null ? "" : `Within ${champion.follow_days} days `;
  const notes = {
    goes_with: "In the same basket",
    after: `${within}after it`,
    before: `${within}before it`,
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
    : `The chance: that a typical customer who is shown the second product after buying the first buys it new within ${days} days. The thin line is its range, which nine in ten groups of shown pairs keep; more dots, less doubt.`;
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
