// One picture large, to be zoomed and moved; and the contrast of all pictures.
const viewer = (() => {
  const dialog = find("#viewer");
  if (!dialog) return null;
  const port = find("#viewport");
  const sheet = find("#sheet");
  let zoom = 1;
  let shown = { items: [], place: 0, part: "map" };

  const zoomTo = (wanted) => {
    const before = zoom;
    zoom = Math.min(16, Math.max(1, wanted));
    const image = sheet.querySelector("img");
    if (!image) return;
    const [wide, high] = [port.clientWidth, port.clientHeight];
    const ratio = image.naturalWidth / image.naturalHeight || 1;
    const middle = [port.scrollLeft + wide / 2, port.scrollTop + high / 2];
    sheet.style.width = `${Math.floor(zoom * Math.min(wide, high * ratio))}px`;
    port.scrollLeft = (middle[0] * zoom) / before - wide / 2;
    port.scrollTop = (middle[1] * zoom) / before - high / 2;
    find("#zoom").textContent = `${Math.round(100 * zoom)} %`;
  };
  const say = () => {
    const image = sheet.querySelector("img");
    if (!image) return;
    const { original_size: whole, seen_size: seen } = shown.items[shown.place].result;
    find("#viewer-size").textContent =
      `Shown with ${image.naturalWidth} × ${image.naturalHeight} px of 8 bits; the model saw ` +
      `${seen.width} × ${seen.height} px, and the image itself has ${whole.width} × ${whole.height} px (width × height).`;
  };
  const draw = () => {
    const item = shown.items[shown.place];
    const parts = item.parts();
    const part = parts[shown.part] ? shown.part : parts.map ? "map" : "input";
    find("#viewer-name").textContent = item.result.source;
    find("#viewer-facts").textContent = item.summary;
    find("#viewer-place").textContent = `${shown.place + 1} of ${shown.items.length}`;
    for (const button of findAll("[data-part]")) {
      button.hidden = !parts[button.dataset.part];
      button.setAttribute("aria-pressed", String(button.dataset.part === part));
    }
    sheet.replaceChildren(...(parts[part] ?? []));
    const image = sheet.querySelector("img");
    find("#viewer-size").textContent = image ? "" : "There is no picture of this image: the folder with it is missing.";
    if (!image) return;
    image.addEventListener("load", () => (zoomTo(zoom), say()), { once: true });
    image.addEventListener("error", () => (find("#viewer-size").textContent = "Its picture is not where it should be."));
    if (image.complete) zoomTo(zoom), say();
  };
  const go = (step) => {
    const place = Math.min(shown.items.length - 1, Math.max(0, shown.place + step));
    if (place !== shown.place) (shown.place = place), draw();
  };

  for (const button of findAll("[data-part].js-part")) {
    button.addEventListener("click", () => ((shown.part = button.dataset.part), draw()));
  }
  for (const button of findAll("[data-zoom]")) {
    const factor = Number(button.dataset.zoom);
    button.addEventListener("click", () => zoomTo(factor ? zoom * factor : 1));
  }
  for (const button of findAll("[data-go]")) button.addEventListener("click", () => go(Number(button.dataset.go)));
  find("#viewer-close").addEventListener("click", () => dialog.close());
  dialog.addEventListener("keydown", (event) => {
    if (event.target.closest("input") || event.altKey || event.ctrlKey || event.metaKey) return;
    const act = { "+": () => zoomTo(zoom * 1.5), "-": () => zoomTo(zoom / 1.5), 0: () => zoomTo(1) }[event.key];
    const step = { n: 1, p: -1, PageDown: 1, PageUp: -1 }[event.key];
    if (!act && !step) return;
    event.preventDefault();
    act ? act() : go(step);
  });
  port.addEventListener("wheel", (event) => {
    event.preventDefault();
    zoomTo(zoom * (event.deltaY < 0 ? 1.2 : 1 / 1.2));
  }, { passive: false });
  port.addEventListener("pointerdown", (event) => {
    if (event.pointerType === "mouse") port.setPointerCapture(event.pointerId), event.preventDefault(), port.focus();
  });
  port.addEventListener("pointermove", (event) => {
    if (event.pointerType !== "mouse" || !event.buttons) return; // fingers scroll by themselves
    port.scrollLeft -= event.movementX;
    port.scrollTop -= event.movementY;
  });
  window.addEventListener("resize", () => dialog.open && zoomTo(zoom));

  // Contrast: the level that is shown black, and the one that is shown white, in per cent of full scale.
  const sliders = { black: findAll("[data-level=black]"), white: findAll("[data-level=white]") };
  const setWindow = (black, white) => {
    const slope = 100 / (white - black);
    const contrast = 1 + (2 * black * slope) / 100;
    const isPlain = black === 0 && white === 100;
    root.style.setProperty("--window", isPlain ? "none" : `brightness(${slope / contrast}) contrast(${contrast})`);
    for (const slider of sliders.black) slider.value = black;
    for (const slider of sliders.white) slider.value = white;
    for (const output of findAll("[data-levels]")) output.textContent = `${black} to ${white} %`;
    for (const button of findAll("[data-levels-reset]")) button.disabled = isPlain;
  };
  for (const slider of sliders.black) {
    const white = () => Number(sliders.white[0].value);
    slider.addEventListener("input", () => setWindow(Math.min(Number(slider.value), white() - 2), white()));
  }
  for (const slider of sliders.white) {
    const black = () => Number(sliders.black[0].value);
    slider.addEventListener("input", () => setWindow(black(), Math.max(Number(slider.value), black() + 2)));
  }
  for (const button of findAll("[data-levels-reset]")) button.addEventListener("click", () => setWindow(0, 100));
  setWindow(0, 100);

  /** Opens on one of `items`: each has its `result`, a `summary`, and `parts()`, elements by the name of the part. */
  const open = (items, place, part) => {
    shown = { items, place, part };
    zoom = 1;
    dialog.showModal();
    draw();
    port.focus();
  };
  return { open };
})();
