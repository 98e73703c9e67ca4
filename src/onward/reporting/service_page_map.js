// The neighbourhood, drawn.

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
