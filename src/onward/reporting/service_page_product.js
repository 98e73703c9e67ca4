// One product after the other, and where it all starts; the last part of the script.

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
