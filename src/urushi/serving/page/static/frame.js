import { localise, root } from "./page.js";

root.classList.add("with-js");
localise();
