"use strict";
// The clip keeps to its stretch, keys answer, and what is chosen is kept before it is saved.
// Everything here is an addition: the form works without it.
(() => {
  const form = document.getElementById("rate");
  const status = document.getElementById("status");

  // --- the clip ---------------------------------------------------------------------------------
  const player = document.getElementById("player");
  const video = document.getElementById("clip");
  const play = document.getElementById("play");
  let replay = () => {}, toggle = () => {};
  if (player) {
    const start = Number(player.dataset.start), end = Number(player.dataset.end);
    const seek = document.getElementById("seek"), clock = document.getElementById("clock");
    // The browser's own controls show the whole recording; these show the clip.
    video.controls = false;
    document.getElementById("controls").hidden = false;
    const text = s => `${Math.floor(s / 60)}:${String(Math.floor(s % 60)).padStart(2, "0")}`;
    const show = () => {
      const at = Math.min(Math.max(video.currentTime - start, 0), end - start);
      seek.value = String(Math.round(1000 * at / (end - start)));
      clock.textContent = `${text(at)} / ${text(end - start)}`;
      seek.setAttribute("aria-valuetext", clock.textContent);
      play.textContent = video.paused ? "Play" : "Pause";
    };
    const hold = () => {
      if (video.currentTime >= end) {
        video.pause();
        if (video.currentTime > end + .05) video.currentTime = end;
      } else if (video.currentTime < start - .05) {
        video.currentTime = start;
      }
      show();
    };
    const watch = () => {
      hold();
      if (!video.paused) requestAnimationFrame(watch);
    };
    const run = () => video.play().catch(() => { status.textContent = "The clip cannot be played."; });
    replay = () => { video.currentTime = start; run(); };
    toggle = () => {
      if (!video.paused) video.pause();
      else if (video.currentTime >= end - .05) replay();
      else run();
    };
    const place = () => { video.currentTime = start; show(); };
    if (video.readyState >= 1) place(); else video.addEventListener("loadedmetadata", place);
    for (const name of ["timeupdate", "seeking", "seeked", "pause"]) video.addEventListener(name, hold);
    video.addEventListener("play", watch);
    video.addEventListener("click", toggle);
    play.addEventListener("click", toggle);
    document.getElementById("again").addEventListener("click", replay);
    seek.addEventListener("input", () => {
      video.currentTime = start + seek.value / 1000 * (end - start);
      show();
    });
    show();
  }

  // --- time on the item: only while the page is seen ---------------------------------------------
  let seen = 0, since = document.hidden ? null : performance.now();
  const seconds = () => (seen + (since === null ? 0 : performance.now() - since)) / 1000;
  document.addEventListener("visibilitychange", () => {
    if (document.hidden && since !== null) { seen += performance.now() - since; since = null; }
    else if (!document.hidden && since === null) since = performance.now();
  });

  // --- drafts -----------------------------------------------------------------------------------
  let waiting = 0, sent = false;
  const keep = () => {
    waiting = 0;
    if (sent) return;
    const fields = new URLSearchParams(new FormData(form));
    fetch(`${form.getAttribute("action")}/draft`, { method: "POST", body: fields, keepalive: true })
      .then(answer => { status.textContent = answer.ok ? "Draft kept." : "The draft could not be kept."; })
      .catch(() => { status.textContent = "The draft could not be kept: no connection."; });
  };
  const later = () => { clearTimeout(waiting); waiting = setTimeout(keep, 600); };
  const save = document.getElementById("save");
  if (!save.disabled) {
    form.addEventListener("input", later);
    window.addEventListener("pagehide", () => { if (waiting) { clearTimeout(waiting); keep(); } });
  }
  form.addEventListener("submit", () => {
    sent = true;
    clearTimeout(waiting);
    waiting = 0;
    form.elements.seconds.value = seconds().toFixed(2);
  });
  // A page that the browser takes out of its memory was sent before.
  window.addEventListener("pageshow", event => { if (event.persisted) location.reload(); });

  // --- keys -------------------------------------------------------------------------------------
  const asks = [...document.querySelectorAll(".ask")];
  const radios = ask => [...ask.querySelectorAll("input[type=radio]")];
  const open = () => asks.find(ask => !radios(ask).some(radio => radio.checked));
  const choose = key => {
    const focused = document.activeElement && document.activeElement.closest(".ask");
    const ask = focused || open();
    if (!ask) return false;
    const found = radios(ask).find(radio => radio.value.toLowerCase() === key
      || (isNaN(radio.value) && radio.value[0].toLowerCase() === key));
    if (!found) return false;
    found.checked = true;
    found.dispatchEvent(new Event("input", { bubbles: true }));
    const next = asks[asks.indexOf(ask) + 1];
    if (next) (radios(next).find(radio => radio.checked) || radios(next)[0]).focus();
    else save.focus();
    return true;
  };
  const keys = document.getElementById("keys");
  if (keys) {
    keys.checked = localStorage.getItem("keys") !== "off";
    keys.addEventListener("change", () => localStorage.setItem("keys", keys.checked ? "on" : "off"));
  }
  const press = id => { const found = document.getElementById(id); if (found) found.click(); return Boolean(found); };
  document.addEventListener("keydown", event => {
    const at = document.activeElement, comment = document.getElementById("comment");
    if (at === comment) {
      if (event.key === "Escape") comment.blur();
      if (event.key === "Enter" && event.ctrlKey) form.requestSubmit();
      return;
    }
    // A key that is held down is pressed once.
    if (event.repeat || event.ctrlKey || event.altKey || event.metaKey || (keys && !keys.checked)) return;
    if (at && at.tagName === "SELECT" && event.key !== "Escape") return;
    const key = event.key.toLowerCase();
    const onControl = at && ["BUTTON", "A", "SUMMARY"].includes(at.tagName);
    let used = true;
    if (key === "enter" && !onControl) {
      if (!press("next")) form.requestSubmit(save);
    }
    else if (key === "[") press("back");
    else if (key === "u") press("undo");
    else if (key === "c") comment.focus();
    else if (key === "p" && player) toggle();
    else if (key === "r" && player) replay();
    else used = key.length === 1 && choose(key);
    if (used) event.preventDefault();
  });
  const wrong = document.getElementById("wrong");
  if (wrong) wrong.focus();
})();
