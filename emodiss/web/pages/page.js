"use strict";

// Colours: automatic, light, dark. Kept where the browser lets a local page keep something.
(() => {
  const button = document.getElementById("theme");
  if (!button) return;
  const choices = ["automatic", "light", "dark"];
  let at = 0;
  const show = () => {
    if (at) document.documentElement.dataset.theme = choices[at];
    else delete document.documentElement.dataset.theme;
    button.textContent = "Colours: " + choices[at];
  };
  try {
    at = Math.max(0, choices.indexOf(localStorage.getItem("emodiss-colours")));
  } catch { /* storage is refused: automatic */ }
  show();
  button.addEventListener("click", () => {
    at = (at + 1) % choices.length;
    show();
    try {
      localStorage.setItem("emodiss-colours", choices[at]);
    } catch { /* the choice lasts as long as the page */ }
  });
})();

// The index: a heading sorts its column.
for (const table of document.querySelectorAll("table.sessions")) {
  const headings = [...table.tHead.rows[0].cells];
  headings.forEach((heading, column) => {
    heading.querySelector("button").addEventListener("click", () => {
      const down = heading.getAttribute("aria-sort") === "ascending";
      headings.forEach((other) => other.removeAttribute("aria-sort"));
      heading.setAttribute("aria-sort", down ? "descending" : "ascending");
      const value = (row) => (row.cells[column] || row.cells[1]).dataset.value;
      const rows = [...table.tBodies[0].rows];
      rows.sort((a, b) => {
        const [x, y] = [value(a), value(b)];
        const by = column ? Number(x) - Number(y) : NaN;
        const order = Number.isNaN(by) ? x.localeCompare(y, "en", { numeric: true }) : by;
        return down ? -order : order;
      });
      table.tBodies[0].append(...rows);
    });
  });
}

// A session: one position, shown in the video, on the curves and in the transcript.
(() => {
  const session = document.getElementById("session");
  if (!session) return;
  const get = (id) => document.getElementById(id);
  const video = get("video"), time = get("time"), scroll = get("scroll");
  const start = Number(session.dataset.start), end = Number(session.dataset.end);
  const lines = [...get("lines").children];
  const shown = () => lines.filter((line) => !line.hidden);
  const still = matchMedia("(prefers-reduced-motion: reduce)");
  let position = start, now = null, zoom = 1;

  const clock = (seconds) => {
    const s = Math.floor(seconds), two = (n) => String(n).padStart(2, "0");
    const minutes = Math.floor(s / 60) % 60, hours = Math.floor(s / 3600);
    return hours ? `${hours}:${two(minutes)}:${two(s % 60)}` : `${minutes}:${two(s % 60)}`;
  };

  // --- where we are ---

  const lineAt = (seconds) =>
    lines.find((line) => Number(line.dataset.start) <= seconds && seconds < Number(line.dataset.end));

  function move(seconds) {
    position = Math.min(end, Math.max(start, seconds));
    const share = (position - start) / (end - start);
    get("playhead").style.left = `${100 * share}%`;
    time.setAttribute("aria-valuenow", position.toFixed(1));
    time.setAttribute("aria-valuetext", clock(position));
    const x = share * time.clientWidth;
    if (x < scroll.scrollLeft || x > scroll.scrollLeft + scroll.clientWidth) {
      scroll.scrollLeft = x - scroll.clientWidth / 4;
    }
    const line = lineAt(position) || null;
    if (line === now) return;
    if (now) {
      now.classList.remove("now");
      now.removeAttribute("aria-current");
    }
    now = line;
    if (!line) return;
    line.classList.add("now");
    line.setAttribute("aria-current", "true");
    if (get("follow").checked && !line.hidden) reveal(line);
  }

  const reveal = (line) =>
    line.scrollIntoView({ block: "nearest", behavior: still.matches ? "auto" : "smooth" });

  function seek(seconds) {
    const target = Math.min(end, Math.max(start, seconds));
    if (video.readyState) video.currentTime = target;
    move(target);
  }

  // A nudge past the start: a player that lands a hair early would still show the line before.
  const jump = (line) => seek(Number(line.dataset.start) + 0.001);

  // --- the video ---

  const watch = () => {
    move(video.currentTime);
    if (!video.paused && !video.ended) requestAnimationFrame(watch);
  };
  video.addEventListener("play", () => requestAnimationFrame(watch));
  for (const name of ["timeupdate", "seeked"]) {
    video.addEventListener(name, () => { if (!video.seeking) move(video.currentTime); });
  }
  // What was asked for before the file was there.
  video.addEventListener("loadedmetadata", () => {
    get("absent").hidden = true;
    video.hidden = false;
    video.currentTime = position;
  });
  video.addEventListener("error", () => {
    get("absent").hidden = false;
    video.hidden = true;
  });
  get("file")?.addEventListener("change", (event) => {
    const [file] = event.target.files;
    if (file) video.src = URL.createObjectURL(file);
  });
  const captions = video.addTextTrack("captions", "Transcript", document.documentElement.lang);
  captions.mode = "hidden";
  for (const line of lines) {
    const who = line.querySelector(".who").textContent, said = line.querySelector(".said").textContent;
    captions.addCue(
      new VTTCue(Number(line.dataset.start), Number(line.dataset.end), `${who}: ${said}`));
  }
  const play = () => { if (video.paused) video.play().catch(() => {}); else video.pause(); };

  // --- the curves ---

  time.addEventListener("click", (event) => {
    const box = time.getBoundingClientRect();
    seek(start + ((event.clientX - box.left) / box.width) * (end - start));
  });
  function drawTicks() {
    const steps = [1, 2, 5, 10, 15, 30, 60, 120, 300, 600, 900, 1800, 3600, 7200];
    const room = Math.max(1, time.clientWidth / 70);
    const step = steps.find((s) => (end - start) / s <= room) || 14400;
    const marks = [];
    for (let t = Math.ceil(start / step) * step; t <= end; t += step) {
      const mark = document.createElement("span");
      mark.textContent = clock(t);
      const share = (t - start) / (end - start);
      mark.style.left = `${100 * share}%`;
      if (share * time.clientWidth > time.clientWidth - 25) mark.className = "last";
      marks.push(mark);
    }
    get("ticks").replaceChildren(...marks);
  }
  function setZoom(to) {
    zoom = Math.min(64, Math.max(1, to));
    time.style.width = `${100 * zoom}%`;
    get("narrower").disabled = zoom === 1;
    drawTicks();
    scroll.scrollLeft =
      ((position - start) / (end - start)) * time.clientWidth - scroll.clientWidth / 2;
  }
  get("wider").addEventListener("click", () => setZoom(2 * zoom));
  get("narrower").addEventListener("click", () => setZoom(zoom / 2));
  addEventListener("resize", drawTicks);

  // --- the transcript ---

  function rove(line) {
    for (const other of lines) other.firstElementChild.tabIndex = other === line ? 0 : -1;
    line.firstElementChild.focus();
  }
  get("lines").addEventListener("click", (event) => {
    const line = event.target.closest("li");
    if (!line) return;
    for (const other of lines) other.firstElementChild.tabIndex = other === line ? 0 : -1;
    jump(line);
  });
  get("lines").addEventListener("keydown", (event) => {
    const all = shown(), at = all.indexOf(event.target.closest("li"));
    const to = { ArrowDown: at + 1, ArrowUp: at - 1, Home: 0, End: all.length - 1 }[event.key];
    if (to === undefined) return;
    event.preventDefault();
    event.stopPropagation();
    if (all[to]) rove(all[to]);
  });

  function filter() {
    const state = get("filters").querySelector("input[name=state]:checked").value;
    const role = get("role").value, reason = get("reason") ? get("reason").value : "";
    for (const line of lines) {
      line.hidden =
        (state && line.dataset.state !== state) || (role && line.dataset.role !== role) ||
        (reason && line.dataset.reason !== reason) ? true : false;
    }
    const left = shown();
    get("status").textContent = `${left.length} of ${lines.length} line${lines.length === 1 ? "" : "s"}`;
    if (left.length && !left.some((line) => line.firstElementChild.tabIndex === 0)) {
      for (const line of lines) line.firstElementChild.tabIndex = line === left[0] ? 0 : -1;
    }
  }
  get("filters").addEventListener("change", filter);

  // --- keys ---

  function step(among, forth) {
    const inside = now && among.includes(now) ? Number(now.dataset.start) : position;
    const to = forth
      ? among.find((line) => Number(line.dataset.start) > inside + 0.01)
      : among.findLast((line) => Number(line.dataset.start) < inside - 0.01);
    if (!to) return;
    jump(to);
    reveal(to);
    get("status").textContent = to.innerText;
  }
  addEventListener("keydown", (event) => {
    if (event.ctrlKey || event.metaKey || event.altKey) return;
    const on = event.target;
    if (on.closest("input, select, textarea, video, summary, a")) return;
    if (event.key === " " && on.closest("button")) return;
    const slider = on === time, small = slider ? 1 : 5;
    const flagged = () => shown().filter((line) => line.dataset.state === "dissonant");
    const keys = {
      " ": play,
      n: () => step(shown(), true),
      p: () => step(shown(), false),
      f: () => step(flagged(), true),
      F: () => step(flagged(), false),
      ArrowLeft: () => seek(position - small),
      ArrowRight: () => seek(position + small),
      ...(slider && {
        ArrowDown: () => seek(position - small),
        ArrowUp: () => seek(position + small),
        PageDown: () => seek(position - 30),
        PageUp: () => seek(position + 30),
        Home: () => seek(start),
        End: () => seek(end),
      }),
    };
    if (!keys[event.key]) return;
    event.preventDefault();
    keys[event.key]();
  });

  setZoom(1);
  const wanted = location.hash && document.getElementById(decodeURIComponent(location.hash.slice(1)));
  if (wanted && lines.includes(wanted)) jump(wanted);
  else move(start);
})();
