// Chooses many pictures of a gallery, also over several of its pages.
import { find, findAll, keys } from "./page.js";

const form = find("#chosen");
const KEPT = "urushi-chosen";
const boxes = findAll(".pick input");
const chosen = new Set(JSON.parse(sessionStorage.getItem(KEPT) ?? "[]"));
const words = find("[data-words]", form);
const asIs = words.textContent;
let last;

const show = () => {
  for (const box of boxes) box.checked = chosen.has(box.value);
  words.textContent = chosen.size ? words.dataset.words.replace("%s", chosen.size) : asIs;
  for (const button of findAll("button:not([data-all])", form)) button.disabled = !chosen.size;
  sessionStorage.setItem(KEPT, JSON.stringify([...chosen]));
};
const choose = (some, wanted) => {
  for (const box of some) wanted ? chosen.add(box.value) : chosen.delete(box.value);
  show();
};

for (const box of boxes) {
  box.addEventListener("click", (event) => {
    const ends = [boxes.indexOf(last ?? box), boxes.indexOf(box)].sort((one, other) => one - other);
    choose(event.shiftKey ? boxes.slice(ends[0], ends[1] + 1) : [box], box.checked);
    last = box;
  });
}
find("[data-all]", form).addEventListener("click", () => choose(boxes, true));
find("[data-none]", form).addEventListener("click", () => {
  chosen.clear();
  show();
});
form.addEventListener("submit", () => {
  const here = new Set(boxes.map((box) => box.value));
  for (const value of chosen) {
    if (!here.has(value)) form.append(Object.assign(document.createElement("input"), { type: "hidden", name: "id", value }));
  }
  sessionStorage.removeItem(KEPT);
});
keys({
  x: () => {
    const box = find(".pick input", document.activeElement.closest("#parts li") ?? form);
    if (!box) return false;
    choose([box], !box.checked);
  },
});
show();
