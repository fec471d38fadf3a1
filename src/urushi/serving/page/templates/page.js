// What the scripts of all pages share.
export const root = document.documentElement;
export const find = (selector, within = document) => within.querySelector(selector);
export const findAll = (selector, within = document) => [...within.querySelectorAll(selector)];

/** Data and words that a page brings along. */
export const data = JSON.parse(find("#data")?.textContent ?? "{}");

/** An element with properties and children. */
export const make = (tag, properties = {}, ...children) => {
  const element = Object.assign(document.createElement(tag), properties);
  element.append(...children);
  return element;
};

export const say = (text) => {
  const alert = find("#alert");
  alert.textContent = text;
  alert.hidden = !text;
};

/** Asks the API. */
export const ask = async (method, path, body) => {
  const headers = body === undefined ? {} : { "Content-Type": "application/json" };
  return answered(await fetch(path, { method, headers, body: body === undefined ? undefined : JSON.stringify(body) }));
};

/** What an answer of the API holds; a refusal is shown, and thrown. */
export const answered = async (answer) => {
  if (answer.status === 401) location.assign("/login");
  const found = await answer.json();
  if (!answer.ok) {
    say(found.detail);
    throw new Error(found.detail);
  }
  say("");
  return found;
};

const moments = new Intl.DateTimeFormat(root.lang, { dateStyle: "short", timeStyle: "medium" });
export const localise = (within = document) => {
  for (const time of findAll("time", within)) time.textContent = moments.format(new Date(time.dateTime));
};

/** Whether single keys do something: whoever speaks to the computer may want them off. */
export const shortcuts = {
  get areOn() {
    return localStorage.getItem("urushi-shortcuts") !== "off";
  },
  set areOn(wanted) {
    localStorage.setItem("urushi-shortcuts", wanted ? "on" : "off");
  },
};

/** Keys that do something, unless something is being typed. */
export const keys = (acts) =>
  document.addEventListener("keydown", (event) => {
    if (!shortcuts.areOn || event.altKey || event.ctrlKey || event.metaKey || event.target.closest("input:not([type=range]):not([type=checkbox]), select, textarea, dialog")) return;
    const act = acts[event.key.length === 1 ? event.key.toLowerCase() : event.key];
    if (act && act(event) !== false) event.preventDefault();
  });
