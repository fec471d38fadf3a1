// Sends a folder, images or a zip in pieces that the station takes, and shows the set that they make.
import { answered, ask, data, find, findAll, say } from "./page.js";

const form = find("#bring");
const [files, folder] = findAll("input[type=file]", form);
const status = find("#sent");
const AT_ONCE = { bytes: 32e6, files: 200 };
const isZip = ({ file }) => file.name.toLowerCase().endsWith(".zip");

/** Lists of files that may go in one request. */
const pieces = (chosen) => {
  const found = [[]];
  let bytes = 0;
  for (const one of chosen) {
    const last = found.at(-1);
    bytes += one.file.size;
    if (last.length && (bytes > AT_ONCE.bytes || last.length >= AT_ONCE.files)) {
      found.push([one]);
      bytes = one.file.size;
    } else last.push(one);
  }
  return found;
};
const asForm = (piece) => {
  const body = new FormData();
  for (const { file, name } of piece) body.append("image", file, name);
  return { body };
};
const send = async (chosen) => {
  if (!chosen.length) return say(data.words.not_sent);
  const button = find("button", form);
  button.disabled = true;
  try {
    const requests = chosen.length === 1 && isZip(chosen[0]) ? [{ body: chosen[0].file, headers: { "Content-Type": "application/zip" } }] : pieces(chosen).map(asForm);
    let path = "/v1/teaching";
    let made;
    for (const [at, request] of requests.entries()) {
      status.textContent = data.words.sending.replace("%s", `${at + 1} / ${requests.length}`);
      made = await answered(await fetch(path, { method: "POST", ...request }));
      path = `/v1/teaching/${made.id}/images`;
    }
    status.textContent = data.words.looking_at_images;
    await ask("GET", `/v1/teaching/${made.id}/findings`);
    location.assign(`/teach?teaching=${made.id}#found`);
  } finally {
    button.disabled = false;
    status.textContent = "";
  }
};

/** The files of what was dropped, those in folders too, with their paths. */
const within = async (entry) => {
  if (entry.isFile) return [{ file: await new Promise((done, failed) => entry.file(done, failed)), name: entry.fullPath.slice(1) }];
  const reader = entry.createReader();
  const found = [];
  for (;;) {
    const some = await new Promise((done, failed) => reader.readEntries(done, failed));
    if (!some.length) return found;
    for (const one of some) found.push(...(await within(one)));
  }
};
const named = (file) => ({ file, name: file.webkitRelativePath || file.name });

form.addEventListener("submit", (event) => {
  event.preventDefault();
  send([...files.files, ...folder.files].map(named)).catch((error) => say(error.message));
});
form.addEventListener("dragover", (event) => {
  event.preventDefault();
  form.classList.add("over");
});
form.addEventListener("dragleave", () => form.classList.remove("over"));
form.addEventListener("drop", async (event) => {
  event.preventDefault();
  form.classList.remove("over");
  const items = [...event.dataTransfer.items].filter((item) => item.kind === "file"); // gone after the first await
  const entries = items.map((item) => item.webkitGetAsEntry() ?? item.getAsFile());
  const found = await Promise.all(entries.map((one) => (one instanceof File ? [named(one)] : within(one))));
  send(found.flat()).catch((error) => say(error.message));
});
