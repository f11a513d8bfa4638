// Which code is open on a page: the ideas, all, or none. The choice is kept for the other pages.
const CODE = ["ideas", "all", "none"];

function kept() {
  try {
    const code = localStorage.getItem("salkit-code");
    return CODE.includes(code) ? code : "ideas";
  } catch {
    return "ideas"; // a browser that keeps nothing
  }
}

// An idea is open without scripts, so only here it is put into something that folds.
function wrapIdeas() {
  for (const input of document.querySelectorAll("div.cell > div.cell_input")) {
    const details = document.createElement("details");
    const summary = document.createElement("summary");
    const lines = input.textContent.trim().split("\n").length;
    details.className = "hide idea";
    summary.textContent = `Code, ${lines} line${lines > 1 ? "s" : ""}`;
    details.append(summary, ...input.childNodes);
    input.append(details);
  }
}

function show(code) {
  document.documentElement.dataset.code = code;
  for (const details of document.querySelectorAll("div.cell:not(.tag_solution) details.hide")) {
    details.open = code === "all" || (code === "ideas" && details.classList.contains("idea"));
  }
}

function addSwitch() {
  const title = document.querySelector(".bd-article h1");
  if (!title || !document.querySelector("div.cell > div.cell_input")) return;
  wrapIdeas();
  const field = document.createElement("fieldset");
  field.className = "code-switch";
  field.innerHTML = "<legend>Code on this page:</legend>";
  for (const code of CODE) {
    const label = document.createElement("label");
    label.innerHTML = `<input type="radio" name="salkit-code" value="${code}">${code}`;
    label.firstChild.checked = code === kept();
    field.append(label);
  }
  field.addEventListener("change", (event) => {
    show(event.target.value);
    try {
      localStorage.setItem("salkit-code", event.target.value);
    } catch {
      // It holds for this page.
    }
  });
  title.after(field);
  show(kept());
}

// What has come to scroll, as it was unfolded, can be scrolled by keys.
function letScroll(event) {
  for (const code of event.target.querySelectorAll?.("pre") ?? []) {
    if (code.scrollWidth > code.clientWidth) code.tabIndex = 0;
  }
}

document.addEventListener("DOMContentLoaded", addSwitch);
document.addEventListener("toggle", letScroll, true);
