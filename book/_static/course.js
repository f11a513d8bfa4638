// A figure is a link to its file. With this script it opens over the page instead, and so does a slider's frame, by a
// click or by Enter on the slider; Escape, a click or Enter closes it.
function enlarge(small, file) {
  const dialog = document.createElement("dialog");
  dialog.className = "enlarged";
  dialog.ariaLabel = "The figure, enlarged";
  dialog.innerHTML = '<button type="button" aria-label="Close">\u00d7</button><img><p aria-hidden="true"></p>';
  const large = dialog.querySelector("img");
  large.src = file;
  large.alt = dialog.querySelector("p").textContent = small.alt;
  // As large as the window allows, and half as large again as in the text at least; then it scrolls in its frame.
  const fits = Math.min(0.9 * innerWidth, (0.75 * innerHeight * small.naturalWidth) / small.naturalHeight);
  large.style.width = `${Math.max(fits, 1.5 * small.clientWidth)}px`;
  dialog.addEventListener("click", () => dialog.close());
  dialog.addEventListener("close", () => dialog.remove()); // The browser gives the focus back to the link.
  document.body.append(dialog);
  dialog.showModal();
}

document.addEventListener("click", (event) => {
  const link = event.target.closest("a.enlarge");
  const frame = event.target.closest(".salkit-slider img");
  const elsewhere = event.ctrlKey || event.metaKey || event.shiftKey || event.altKey; // a new tab, a download
  if (!(link || frame) || elsewhere) return;
  event.preventDefault();
  if (link) enlarge(link.querySelector("img"), link.href);
  else enlarge(frame, frame.src);
});

document.addEventListener("keydown", (event) => {
  const slider = event.key === "Enter" && event.target.closest(".salkit-slider");
  if (!slider) return;
  event.preventDefault(); // Or the key that opens it presses its button as well.
  const frame = slider.querySelector("img:not([hidden])");
  enlarge(frame, frame.src);
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
