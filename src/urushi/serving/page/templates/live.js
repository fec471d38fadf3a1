// Shows each part as it comes: an event says that there is one, and the page brings what is to be seen of it.
import { find, keys, localise } from "./page.js";

const now = find("#now");
const state = find("#connection");
const query = new URLSearchParams({ detector: now.dataset.detector });
let isAsking = false;
let isStale = false;

const renew = async () => {
  if (isAsking) return void (isStale = true); // as often as there is time for
  isAsking = true;
  try {
    const answer = await fetch(`/now?${query}`);
    if (answer.redirected) return location.reload(); // not logged in any more
    if (!answer.ok) return;
    const fresh = document.createElement("template");
    fresh.innerHTML = await answer.text(); // a template of the station, in which all that came from outside is escaped
    localise(fresh.content);
    now.replaceChildren(fresh.content);
  } finally {
    isAsking = false;
  }
  if (isStale) (isStale = false), renew();
};

const news = new EventSource(`/v1/events?${query}`);
news.addEventListener("inspection", renew);
news.addEventListener("open", () => {
  if (state.textContent === state.dataset.lost) renew();
  state.textContent = state.dataset.connected;
});
news.addEventListener("error", () => (state.textContent = state.dataset.lost));

const wall = () => (document.fullscreenElement ? document.exitFullscreen() : now.requestFullscreen());
find("#wall").addEventListener("click", wall);
keys({ f: () => void wall() });
