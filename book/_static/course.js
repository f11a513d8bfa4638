// A figure is a link to its file. With this script it opens over the page instead, and so does a slider's frame, by a
// click or by Enter on the slider; Escape, a click or Enter closes it. A drawing is copied as it is for a wide screen.
function enlarge(figure, file) {
  const drawing = figure.querySelector("svg.salkit-wide");
  const small = drawing ?? figure.querySelector("img") ?? figure;
  const said = drawing?.querySelectorAll(":scope > title, :scope > desc") ?? [];
  const text = drawing?.getAttribute("aria-label") ?? (drawing ? [...said].map((one) => one.textContent).join(" ") : small.alt);
  const dialog = document.createElement("dialog");
  dialog.className = "enlarged";
  dialog.ariaLabel = "The figure, enlarged";
  dialog.innerHTML = '<button type="button" aria-label="Close">\u00d7</button><p aria-hidden="true"></p>';
  const large = drawing ? drawing.cloneNode(true) : new Image();
  if (drawing) {
    large.querySelectorAll(":scope > title, :scope > desc").forEach((one) => one.remove());
    large.removeAttribute("aria-labelledby");
    large.innerHTML = large.innerHTML.replaceAll("-wide-", "-large-"); // what it cuts by: names of its own
    large.setAttribute("class", "large");
    large.setAttribute("aria-label", text);
  } else {
    large.src = file ?? small.currentSrc;
    large.alt = text;
  }
  dialog.querySelector("p").textContent = text;
  dialog.querySelector("button").after(large);
  // As large as the window allows, and half as large again as in the text at least; then it scrolls in its frame.
  const shape = drawing ? drawing.viewBox.baseVal : { width: small.naturalWidth, height: small.naturalHeight };
  const fits = Math.min(0.9 * innerWidth, (0.75 * innerHeight * shape.width) / shape.height);
  const shown = drawing ? Number(drawing.getAttribute("width")) : small.clientWidth;
  const least = drawing ? Math.max(shown, 1.5 * figure.clientWidth) : 1.5 * shown;
  large.style.width = `${Math.max(fits, least)}px`;
  dialog.addEventListener("click", () => dialog.close());
  dialog.addEventListener("close", () => dialog.remove()); // The browser gives the focus back to the link.
  document.body.append(dialog);
  dialog.showModal();
}

document.addEventListener("click", (event) => {
  const link = event.target.closest("a.enlarge");
  const frame = event.target.closest(".salkit-slider img, .salkit-frame");
  const elsewhere = event.ctrlKey || event.metaKey || event.shiftKey || event.altKey; // a new tab, a download
  if (!(link || frame) || elsewhere) return;
  event.preventDefault();
  enlarge(link ?? frame, link?.href);
});

document.addEventListener("keydown", (event) => {
  const slider = event.key === "Enter" && event.target.closest(".salkit-slider");
  if (!slider) return;
  event.preventDefault(); // Or the key that opens it presses its button as well.
  enlarge(slider.querySelector(".salkit-frame:not([hidden])") ?? slider.querySelector("img:not([hidden])"));
});

// The hidden frames of a slider are loaded as soon as somebody comes near it.
for (const near of ["pointerover", "focusin"]) {
  document.addEventListener(near, (event) => {
    const frames = event.target.closest?.(".salkit-slider")?.querySelectorAll("img[loading]") ?? [];
    for (const frame of frames) frame.removeAttribute("loading");
  });
}

// The theme listens to the first of its buttons for the contents, and that one stands in the bar that this book hides.
document.addEventListener("click", (event) => {
  const pressed = event.target.closest(".primary-toggle, .secondary-toggle");
  const side = pressed?.classList.contains("primary-toggle") ? ".primary-toggle" : ".secondary-toggle";
  const heard = pressed && document.querySelector(side);
  if (heard && heard !== pressed) heard.click();
});

// Search shows a piece of each page that it finds, and a page opened from a folder may not read the others.
if (location.protocol === "file:") DOCUMENTATION_OPTIONS.SHOW_SEARCH_SUMMARY = false;
