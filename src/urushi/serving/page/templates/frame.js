import { find, localise, root, shortcuts } from "./page.js";

root.classList.add("with-js");
localise();
const box = find("#shortcuts");
box.checked = shortcuts.areOn;
box.addEventListener("change", () => (shortcuts.areOn = box.checked));
