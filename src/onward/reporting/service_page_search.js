// The search box: a combobox with a list of products (WAI-ARIA APG).

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
