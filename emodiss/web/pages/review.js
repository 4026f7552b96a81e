"use strict";

// Without this script every form works; it drags edges, clicks faces and takes times from the video.
(() => {
  const get = (id) => document.getElementById(id);
  const typing = (target) => target.closest("input, select, textarea, summary");

  // The audit: a key presses its button.
  addEventListener("keydown", (event) => {
    if (event.ctrlKey || event.metaKey || event.altKey || typing(event.target)) return;
    const button = [...document.querySelectorAll("button[data-key]")]
      .find((one) => one.dataset.key === event.key);
    if (button) button.click();
  });

  const session = get("session"), video = get("video");
  if (!session) return;
  for (const one of document.querySelectorAll(".needs-script")) {
    if (one.id !== "clicked") one.hidden = false;
  }
  const from = Number(session.dataset.start), to = Number(session.dataset.end);
  const time = get("time"), edit = get("edit");
  const position = () => Number(time.getAttribute("aria-valuenow"));
  // The slider tells tenths of a second; the video knows better.
  const playhead = () => (video.readyState ? video.currentTime : position());

  // --- edges ---

  if (edit) {
    const fields = { start: get("start"), end: get("end") };
    const rect = document.querySelector(`rect[data-id="${CSS.escape(edit.dataset.u)}"]`);
    const handles = {};
    const value = (name) => Number(fields[name].value);
    const draw = () => {
      if (!rect) return;
      const x = (s) => ((s - from) / (to - from)) * 10000;
      if (!(value("start") < value("end"))) return;
      rect.setAttribute("x", x(value("start")));
      rect.setAttribute("width", x(value("end")) - x(value("start")));
      for (const name of ["start", "end"]) {
        handles[name].style.left = `${x(value(name)) / 100}%`;
        handles[name].setAttribute("aria-valuenow", value(name).toFixed(3));
      }
    };
    const set = (name, seconds) => {
      const least = name === "start" ? from : value("start") + 0.05;
      const most = name === "start" ? value("end") - 0.05 : to;
      fields[name].value = Math.min(most, Math.max(least, seconds)).toFixed(3);
      draw();
    };
    if (rect) {
      rect.classList.add("chosen");
      const lane = rect.closest("svg");
      // Beside the slider of the whole session and not in it: one control holds no other.
      const edges = document.createElement("div");
      edges.className = "edges";
      get("scroll").append(edges);
      new ResizeObserver(() => { edges.style.width = `${time.offsetWidth}px`; }).observe(time);
      for (const name of ["start", "end"]) {
        const handle = document.createElement("div");
        handle.className = "handle";
        handle.tabIndex = 0;
        handle.setAttribute("role", "slider");
        handle.setAttribute("aria-label", name === "start" ? "Start" : "End");
        handle.setAttribute("aria-valuemin", from);
        handle.setAttribute("aria-valuemax", to);
        const place = () => { handle.style.top = `${lane.getBoundingClientRect().top - time.getBoundingClientRect().top}px`; };
        place();
        addEventListener("resize", place);
        handle.addEventListener("pointerdown", (event) => {
          handle.setPointerCapture(event.pointerId);
          event.preventDefault();
          handle.focus();
        });
        handle.addEventListener("pointermove", (event) => {
          if (!handle.hasPointerCapture(event.pointerId)) return;
          const box = time.getBoundingClientRect();
          set(name, from + ((event.clientX - box.left) / box.width) * (to - from));
        });
        handle.addEventListener("click", (event) => event.stopPropagation());
        handle.addEventListener("keydown", (event) => {
          const by = { ArrowLeft: -0.1, ArrowRight: 0.1 }[event.key];
          if (event.key === "Enter") get("times").requestSubmit();
          if (by === undefined) return;
          event.preventDefault();
          event.stopPropagation();
          set(name, value(name) + by);
        });
        handles[name] = handle;
        edges.append(handle);
        fields[name].addEventListener("input", draw);
      }
      draw();
    }
    get("caret").addEventListener("click", () => {
      const words = get("words");
      const before = words.value.slice(0, words.selectionStart), all = words.value.length || 1;
      get("n_words").value = before.trim() ? before.trim().split(/\s+/).length : 0;
      const start = Number(edit.dataset.start), end = Number(edit.dataset.end);
      // By its share of the text; s takes the playhead instead.
      get("cut").value = (start + ((end - start) * before.length) / all).toFixed(3);
    });
    addEventListener("keydown", (event) => {
      if (event.ctrlKey || event.metaKey || event.altKey || typing(event.target)) return;
      if (event.key === "[") set("start", playhead());
      else if (event.key === "]") set("end", playhead());
      else if (event.key === "s") get("cut").value = playhead().toFixed(3);
      else return;
      event.preventDefault();
    });
    get("edit-name").scrollIntoView({ block: "nearest" });
  }

  addEventListener("keydown", (event) => {
    if (event.ctrlKey || event.metaKey || event.altKey || typing(event.target)) return;
    if (event.key !== "e") return;
    const now = document.querySelector("#lines li.now .edit-link");
    if (now) now.click();
  });

  // --- faces: a button over each face in the picture; a click gives it to a voice ---

  const picture = get("picture"), clicked = get("clicked");
  if (!clicked) return;
  let faces = [];
  const shown = new Map();
  function inPicture() {
    // Where in the element the picture lies: a player leaves bars at its sides.
    const box = video.getBoundingClientRect();
    const scale = Math.min(box.width / video.videoWidth, box.height / video.videoHeight);
    const width = video.videoWidth * scale, height = video.videoHeight * scale;
    return { left: (box.width - width) / 2, top: (box.height - height) / 2, width, height };
  }
  function drawFaces() {
    if (!video.videoWidth || video.hidden) return;
    const now = video.currentTime, room = inPicture(), seen = new Set();
    for (const face of faces) {
      let best = null;
      for (const row of face.seen) {
        if (!best || Math.abs(row[0] - now) < Math.abs(best[0] - now)) best = row;
      }
      if (!video.paused || !best || Math.abs(best[0] - now) > 0.5) continue;
      seen.add(face.id);
      let button = shown.get(face.id);
      if (!button) {
        button = document.createElement("button");
        button.type = "button";
        button.className = "found-face";
        const name = document.createElement("span");
        name.textContent = face.id;
        button.append(name);
        button.setAttribute("aria-label", `Face ${face.id}: give it to a voice`);
        button.addEventListener("click", () => choose(face.id));
        picture.append(button);
        shown.set(face.id, button);
      }
      const [, x1, y1, x2, y2] = best;
      button.style.left = `${room.left + x1 * room.width}px`;
      button.style.top = `${room.top + y1 * room.height}px`;
      button.style.width = `${(x2 - x1) * room.width}px`;
      button.style.height = `${(y2 - y1) * room.height}px`;
    }
    for (const [id, button] of shown) button.hidden = !seen.has(id);
  }
  function choose(id) {
    clicked.hidden = false;
    get("clicked-track").value = id;
    get("clicked-name").textContent = `Face ${id}`;
    const now = document.querySelector("#lines li.now");
    if (now) get("clicked-voice").value = now.dataset.speaker;
    get("clicked-voice").focus();
  }
  fetch(session.dataset.faces).then((answer) => (answer.ok ? answer.json() : [])).then((found) => {
    faces = found;
    drawFaces();
  }).catch(() => {});
  for (const name of ["loadeddata", "seeked", "pause", "play"]) video.addEventListener(name, drawFaces);
  addEventListener("resize", drawFaces);
})();
