"use strict";

// One image at a time: what the reader chose (draft), what is on disk (image.answer), and how the image is looked at (view).
// Nothing counts as answered before the server has said that it is on disk.

const $ = (id) => document.getElementById(id);
const canvas = $("image");
const pen = canvas.getContext("2d");
const RAMP = [[0, 0, 0], [59, 15, 112], [140, 41, 129], [222, 73, 104], [254, 159, 109], [252, 253, 191]];
const MOST_UNDO = 200;

let state; // what the server sent
let at = -1; // index of the image that is shown
let draft; // {cells: Set of numbers, reason, seconds, base: the answer that it was begun on, undo: [{cells, reason}]}
let pictures; // {image, cam}: the two pictures as arrays of grey values
let shown; // {image, cam}: the two as canvases, ready to be drawn
let cursor = 1; // number of the cell that the keyboard is at
let keyboard = false; // whether the keyboard moved last: only then the cursor is drawn
let busy = false;
let sent = 0; // how many answers and drafts this window sent
let asked = ""; // what the reader was asked back about: "nothing" matters, "skip" what is chosen; empty: nothing
let lost = ""; // why the server could not be asked, the last time; empty: it answered
const view = { heat: 45, window: 255, level: 128, zoom: 1, x: 0.5, y: 0.5, hidden: false };

// ------------------------------------------------------------------------------------------------------- the server

const RESTART = "Where it has stopped, run the same imil-sim annotate command again, and open its new address.";

async function ask(path, body) {
  const more = body === undefined
    ? {}
    : { method: "POST", headers: { "Content-Type": "application/json" }, body: JSON.stringify(body) };
  let response;
  try {
    response = await fetch(path, { ...more, cache: "no-store", credentials: "omit", redirect: "error" });
  } catch (error) {
    lost = `The server does not answer. ${RESTART}`;
    throw error;
  }
  // Another server is at this port by now, which does not know this page.
  lost = [403, 421].includes(response.status) ? "The server was started again: open the address that it printed then." : "";
  if (lost) throw new Error(lost);
  return response;
}

async function load() {
  const response = await ask("state");
  if (!response.ok) throw new Error(await response.text());
  const fresh = await response.json();
  return { ...fresh, rows: fresh.row_edges.length - 1, cols: fresh.col_edges.length - 1 };
}

async function start() {
  try {
    state = await load();
  } catch (error) {
    $("place").textContent = "No questions";
    return notice(`The questions cannot be shown: ${error.message}`, true);
  }
  $("instructions").textContent = state.instructions;
  $("task").open = !state.images.some((image) => image.answer); // before the first answer it is to be read
  $("session").textContent = state.session;
  $("reason").maxLength = state.most_reason;
  const named = /^#([0-9]+)$/.exec(location.hash);
  const first = named ? Number(named[1]) - 1 : unanswered(0);
  await open(first >= 0 && first < state.images.length ? first : 0);
}

function unanswered(from) {
  const count = state.images.length;
  for (let step = 0; step < count; step++) {
    if (!state.images[(from + step) % count].answer) return (from + step) % count;
  }
  return -1;
}

// What other windows answered meanwhile; the image that is shown is left alone while the reader is at it, and its draft
// goes on replacing the answer that it was begun on: so the server still says that there is another.
async function refresh() {
  if (busy || !draft) return;
  let fresh, before;
  do {
    await keeping;
    before = sent;
    try {
      fresh = await load();
    } catch {
      return hear();
    }
    if (busy || !draft) return;
  } while (sent !== before); // it may be older than what this window sent meanwhile
  for (const number of own) if (!alike(fresh.images[number].draft, state.images[number].draft)) own.delete(number);
  state = fresh;
  hear();
  if (version(draft.base) !== version(state.images[at].answer) && !touched(draft.base)) restore();
  describe();
  draw();
}

const version = (answer) => (answer ? answer.version : null);

// ------------------------------------------------------------------------------------------------------- one image

async function open(number) {
  keep();
  draft = undefined;
  at = number;
  history.replaceState(null, "", `#${at + 1}`);
  notice("");
  pictures = shown = undefined;
  canvas.setAttribute("aria-busy", "true");
  canvas.focus({ preventScroll: true }); // now, not with the pictures: the reader may be typing by then
  restore();
  cursor = Math.min(cursor, state.rows * state.cols);
  describe();
  draw();
  try {
    const [image, cam] = await Promise.all([grey(`image/${number}.png`), grey(`cam/${number}.png`)]);
    if (at !== number) return;
    pictures = { image, cam };
    clock.last = performance.now();
    develop();
    if (lost) refresh(); // the pictures may be the browser's own by now, and say nothing of the server
  } catch {
    if (at !== number) return;
    lost ||= `The server does not send the image. ${RESTART}`;
    notice("");
  }
  canvas.setAttribute("aria-busy", "false");
}

// The grey values of a picture of the server.
async function grey(address) {
  const image = new Image();
  image.src = address;
  await image.decode();
  const [height, width] = state.size;
  const paper = new OffscreenCanvas(width, height).getContext("2d", { willReadFrequently: true });
  paper.drawImage(image, 0, 0);
  const { data } = paper.getImageData(0, 0, width, height);
  return Uint8Array.from({ length: width * height }, (_, i) => data[4 * i]);
}

const place = (number) => `${location.pathname} ${state.images[number].image_id}`;

const MEANWHILE = "his image was answered meanwhile in another window. That answer is shown; Undo brings yours back.";

// Back to what this window had, if it had something that belongs to the answer on disk; else to that answer.
function restore() {
  const answer = state.images[at].answer;
  let kept = null;
  try {
    kept = JSON.parse(sessionStorage.getItem(place(at)));
  } catch { /* a window without storage loses what was not saved when it is reloaded, and nothing else */ }
  const older = kept ? null : state.images[at].draft; // of a window that is gone
  if (older) kept = { ...older, version: older.replaces, touched: true };
  const current = kept && kept.version === version(answer);
  const { cells, reason, seconds } = current ? kept : answer || {};
  draft = { cells: new Set(cells || []), reason: reason || "", seconds: seconds || 0, base: answer, undo: [] };
  $("reason").value = draft.reason;
  asked = "";
  if (older || (touched(answer) && isKept())) own.add(at);
  if (older && current) notice("This was chosen here before and is not saved yet.");
  if (!kept || current || !kept.touched) return;
  draft.undo = [{ cells: kept.cells, reason: kept.reason }];
  notice(`T${MEANWHILE}`, true);
}

function keep() {
  if (!draft) return;
  const { reason, seconds, base } = draft;
  const kept = { cells: numbers(), reason, seconds, version: version(base), touched: touched(base) };
  try {
    sessionStorage.setItem(place(at), JSON.stringify(kept));
  } catch { /* as in restore */ }
  if (kept.touched ? isKept() : !own.has(at)) return;
  own.add(at);
  unkept.set(at, { cells: kept.touched ? kept.cells : null, reason, seconds, replaces: kept.version });
  keeping ||= entrust();
}

// What is not saved yet is kept by the server too: it outlives this window, and the server itself.
const unkept = new Map(); // by index of the image, what the server does not have yet; the latest only
const own = new Set(); // images whose draft this window sent or took over: it takes back no other window's
let keeping; // a promise while it is being sent

async function entrust() {
  let kept = false;
  for (const [number, given] of unkept) {
    unkept.delete(number);
    sent += 1;
    kept = false;
    try {
      const response = await ask(`drafts/${number}`, given);
      if (!response.ok) continue; // the server has what it had
      kept = (await response.json()).kept;
      state.images[number].draft = kept && given.cells ? given : null;
      if (!state.images[number].draft && !unkept.has(number)) own.delete(number);
    } catch { /* said below, and tried again with the next change, or once the server answers again */ }
  }
  keeping = undefined;
  if (!draft || busy) return;
  hear();
  if (kept) keep(); // what was taken back while it was being sent
}

// Whether the server has what was chosen and written on this image, as far as this window knows.
const isKept = () => alike(state.images[at].draft, { cells: numbers(), reason: draft.reason });

// Whether two drafts say the same; null: there is none.
function alike(one, other) {
  return one && other ? String(one.cells) === String(other.cells) && one.reason === other.reason : one === other;
}

const numbers = () => [...draft.cells].sort((a, b) => a - b);

// Whether the draft says something else than `answer`, which is null where there is none.
function touched(answer) {
  const cells = answer ? answer.cells || [] : [];
  return String(numbers()) !== String(cells) || draft.reason !== (answer ? answer.reason : "");
}

// ---------------------------------------------------------------------------------------------------------- answers

function change(cells, remember = true) {
  // Without its reason: what is taken back is a choice of cells, not what was typed since.
  if (remember) draft.undo = [...draft.undo.slice(1 - MOST_UNDO), { cells: numbers(), reason: null }];
  draft.cells = new Set(cells);
  asked = "";
  notice("");
  keep();
  describe();
  draw();
}

const everyCell = () => Array.from({ length: state.rows * state.cols }, (_, i) => i + 1);

function toggle(cell) {
  const cells = new Set(draft.cells);
  if (!cells.delete(cell)) cells.add(cell);
  change(cells);
}

function undo() {
  if (!draft.undo.length) return;
  const { cells, reason } = draft.undo.pop();
  if (reason !== null) $("reason").value = draft.reason = reason;
  change(cells, false);
}

function save() {
  const answer = state.images[at].answer;
  if (answer && answer.cells && !touched(answer)) return onwards(); // it is on disk as it stands
  if (draft.cells.size || asked === "nothing") return send(numbers());
  askBack("nothing", "No cell is chosen. Save once more to say that nothing on this image matters; skip it to give no answer.");
}

function skip() {
  if (!draft.cells.size || asked === "skip") return send(null);
  askBack("skip", "Cells are chosen. Skip once more to give no answer all the same; the choice is then gone.");
}

function askBack(about, text) {
  asked = about;
  notice(text);
  describe();
}

async function send(cells) {
  if (busy || !state) return;
  tick();
  const image = state.images[at];
  const given = { cells, reason: draft.reason, seconds: Math.round(draft.seconds * 100) / 100, replaces: version(draft.base) };
  busy = true;
  sent += 1;
  describe();
  unkept.delete(at);
  await keeping; // lest a draft overtakes the answer that it became
  try {
    const response = await ask(`answers/${at}`, given);
    if (response.status === 409) overtaken(image, (await response.json()).answer);
    else if (!response.ok) notice(`Not saved; what you chose and wrote stays in this window. ${await response.text()}`, true);
    else {
      image.answer = (await response.json()).answer;
      image.draft = null;
      own.delete(at);
      sessionStorage.removeItem(place(at));
      draft = undefined;
      busy = false;
      $("task").open = false;
      return await onwards();
    }
  } catch (error) {
    notice(`Not saved. ${lost || error.message}`, true);
  }
  busy = false;
  if (draft) describe();
}

// Another window was faster: what it saved is shown, and undo brings back what was chosen here.
function overtaken(image, answer) {
  const mine = { cells: numbers(), reason: draft.reason };
  image.answer = answer;
  image.draft = null;
  own.delete(at);
  sessionStorage.removeItem(place(at));
  restore();
  draft.undo = [mine];
  notice(`Not saved: t${MEANWHILE}`, true);
  draw();
}

async function onwards() {
  const next = unanswered(at + 1);
  if (next >= 0) return open(next);
  await open(at);
  $("done").showModal();
}

function step(by) {
  const count = state.images.length;
  return open((at + by + count) % count);
}

// It is read from its beginning. An autofocus in the page would do that too, and compete with the image at its start.
function openHelp() {
  $("help").showModal();
  $("help-title").focus();
}

// ----------------------------------------------------------------------------------------------------------- what is said

let noticed = ""; // which notice stands there: "lost", another one, or none

function notice(text, bad = false) {
  noticed = lost ? "lost" : text && "other";
  put("notice", lost ? `${text.startsWith("Not saved") ? "Not saved. " : ""}${lost} ${whatIsKept()}` : text);
  $("notice").hidden = !noticed;
  $("notice").classList.toggle("bad", bad || noticed === "lost");
}

// That the server has gone, or that it is there again.
function hear() {
  if (lost) return notice("");
  if (noticed !== "lost") return;
  notice("The server answers again. What is not saved yet can be saved.");
  keep();
}

// What becomes of this image where the server is gone: what this window knows of that, and no more.
function whatIsKept() {
  if (!draft || !touched(draft.base)) return "What was saved is on disk.";
  if (isKept()) {
    return "What was saved is on disk; so is what you chose and wrote here: the new page shows it, " +
      "unless another window has changed or saved this image since.";
  }
  return "What was saved is on disk. What you changed here since is kept by this window only: note it before you close or reload it.";
}

// A text that is set anew, though it is the same, would be read out again.
function put(id, text) {
  if ($(id).textContent !== String(text)) $(id).textContent = text;
}

function describe() {
  const image = state.images[at];
  const answered = state.images.filter((one) => one.answer).length;
  const cells = numbers();
  put("place", `Image ${at + 1} of ${state.images.length}`);
  $("bar").max = state.images.length;
  $("bar").value = answered;
  put("answered", `${answered} answered`);
  put("truth", state.class_names[image.label]);
  put("asked", state.class_names[image.label]);
  put("model", state.class_names[image.predicted]);
  put("confidence", `${Math.round(image.confidence * 100)}% sure`);
  put("image-id", `${image.image_id} · ${state.reader}`);
  put("chosen", said(image, cells));
  $("undo").disabled = !draft.undo.length;
  $("save").disabled = $("skip").disabled = busy;
  const unchanged = image.answer && image.answer.cells && !touched(image.answer);
  put("save", busy ? "Saving" : asked === "nothing" ? "Yes, nothing matters" : unchanged ? "Next" : "Save and next");
  put("skip", asked === "skip" ? "Yes, skip it" : "Skip");
  put("heat-value", view.hidden ? "off" : `${view.heat}%`);
  put("window-value", view.window);
  put("level-value", view.level);
  put("zoom-value", `${Math.round(view.zoom * 100)}%`);
  for (const name of ["heat", "window", "level"]) $(name).value = view[name];
  $("zoom").value = Math.round(view.zoom * 100);
  for (const name of ["heat", "zoom"]) $(name).setAttribute("aria-valuetext", $(`${name}-value`).textContent);
}

function said(image, cells) {
  const count = state.rows * state.cols;
  const list = cells.length > 24 ? "" : `: ${cells.join(" ")}`;
  const chosen = cells.length === count ? "all cells chosen" : `${cells.length} of ${count} cells chosen`;
  const saved = image.answer && !touched(image.answer) ? (image.answer.cells ? " (saved)" : " (skipped)") : "";
  return chosen + (cells.length && cells.length < count ? list : "") + saved;
}

function describeCell() {
  const row = Math.floor((cursor - 1) / state.cols), col = (cursor - 1) % state.cols;
  const looked = pictures ? `, heat ${Math.round(heatOf(row, col) * 100)}%` : "";
  put("cell", `cell ${cursor}, row ${row + 1}, column ${col + 1}${looked}${draft.cells.has(cursor) ? ", chosen" : ""}`);
}

function heatOf(row, col) {
  const width = state.size[1];
  let sum = 0, count = 0;
  for (let y = state.row_edges[row]; y < state.row_edges[row + 1]; y++) {
    for (let x = state.col_edges[col]; x < state.col_edges[col + 1]; x++, count++) sum += pictures.cam[y * width + x];
  }
  return sum / count / 255;
}

// The time that the image has been on the screen; a hidden window stands still.
const clock = { last: performance.now() };
function tick() {
  const now = performance.now();
  if (!document.hidden && draft && shown && !busy) draft.seconds += (now - clock.last) / 1000;
  clock.last = now;
  if (!draft) return;
  const seconds = Math.floor(draft.seconds);
  $("clock").textContent = `${Math.floor(seconds / 60)}:${String(seconds % 60).padStart(2, "0")}`;
}
setInterval(tick, 500);

// ----------------------------------------------------------------------------------------------------------- drawing

// The image under its window, and the heat-map in colour, as canvases of the image's own size.
function develop() {
  if (!pictures) return;
  const [height, width] = state.size;
  const low = view.level - view.window / 2;
  shown = {
    image: painted(width, height, (i) => {
      const value = ((pictures.image[i] - low) / view.window) * 255;
      return [value, value, value, 255];
    }),
    cam: painted(width, height, (i) => [...coloured(pictures.cam[i] / 255), pictures.cam[i]]),
  };
  draw();
}

function painted(width, height, colour) {
  const paper = new OffscreenCanvas(width, height);
  const image = new ImageData(width, height);
  for (let i = 0; i < width * height; i++) image.data.set(colour(i), 4 * i); // clamped to 0..255
  paper.getContext("2d").putImageData(image, 0, 0);
  return paper;
}

function coloured(value) {
  const place = value * (RAMP.length - 1), low = Math.min(Math.floor(place), RAMP.length - 2), share = place - low;
  return RAMP[low].map((part, i) => part + (RAMP[low + 1][i] - part) * share);
}

// Where the image lies on the canvas, in its pixels: left, top, and canvas pixels for one pixel of the image.
function layout() {
  const [height, width] = state.size;
  const scale = Math.min(canvas.width / width, canvas.height / height) * view.zoom;
  const room = (size, whole, centre) => (size * scale <= whole ? (whole - size * scale) / 2 : whole / 2 - centre * size * scale);
  return { scale, left: room(width, canvas.width, view.x), top: room(height, canvas.height, view.y) };
}

let drawing = false;
function draw() {
  if (drawing) return;
  drawing = true;
  requestAnimationFrame(() => {
    drawing = false;
    if (state && draft) paint();
  });
}

function paint() {
  const { scale, left, top } = layout();
  const [height, width] = state.size;
  const box = [left, top, width * scale, height * scale];
  pen.fillStyle = "#000";
  pen.fillRect(0, 0, canvas.width, canvas.height);
  if (shown) {
    pen.imageSmoothingEnabled = true;
    pen.imageSmoothingQuality = "high";
    pen.drawImage(shown.image, ...box);
    pen.globalAlpha = view.hidden ? 0 : view.heat / 100;
    pen.drawImage(shown.cam, ...box);
    pen.globalAlpha = 1;
  }
  const unit = window.devicePixelRatio;
  for (const number of everyCell()) {
    const [x, y, w, h] = boxOf(number, scale, left, top);
    pen.lineWidth = unit;
    pen.strokeStyle = "rgb(255 255 255 / 38%)";
    pen.strokeRect(x, y, w, h);
  }
  for (const number of draft.cells) mark(boxOf(number, scale, left, top), unit);
  if (keyboard) aim(boxOf(cursor, scale, left, top), unit);
  for (const number of everyCell()) {
    const [x, y, w, h] = boxOf(number, scale, left, top);
    if (Math.min(w, h) > 30 * unit) label(number, x, y, unit);
  }
}

function boxOf(number, scale, left, top) {
  const row = Math.floor((number - 1) / state.cols), col = (number - 1) % state.cols;
  const [x, y] = [state.col_edges[col], state.row_edges[row]];
  return [left + x * scale, top + y * scale, (state.col_edges[col + 1] - x) * scale, (state.row_edges[row + 1] - y) * scale];
}

function label(number, x, y, unit) {
  pen.font = `600 ${13 * unit}px system-ui, sans-serif`;
  pen.textBaseline = "top";
  pen.lineWidth = 3 * unit;
  pen.strokeStyle = "rgb(0 0 0 / 75%)";
  pen.strokeText(number, x + 9 * unit, y + 8 * unit);
  pen.fillStyle = draft.cells.has(number) ? "#7be9fb" : "rgb(255 255 255 / 80%)";
  pen.fillText(number, x + 9 * unit, y + 8 * unit);
}

// A chosen cell: tinted, framed, and ticked, for who does not see the colour.
function mark([x, y, w, h], unit) {
  pen.fillStyle = "rgb(80 220 245 / 7%)";
  pen.fillRect(x, y, w, h);
  for (const [inset, colour, line] of [[3, "#00181d", 5], [3, "#7be9fb", 2.5]]) {
    pen.strokeStyle = colour;
    pen.lineWidth = line * unit;
    pen.strokeRect(x + inset * unit, y + inset * unit, w - 2 * inset * unit, h - 2 * inset * unit);
    if (Math.min(w, h) <= 56 * unit) continue;
    const [right, upper] = [x + w - 11 * unit, y + 11 * unit];
    pen.beginPath();
    pen.moveTo(right - 10 * unit, upper + 5 * unit);
    pen.lineTo(right - 6 * unit, upper + 9 * unit);
    pen.lineTo(right, upper);
    pen.stroke();
  }
}

function aim([x, y, w, h], unit) {
  for (const [colour, line, dash] of [["#000", 4, []], ["#ffd75e", 2, [6 * unit, 4 * unit]]]) {
    pen.strokeStyle = colour;
    pen.lineWidth = line * unit;
    pen.setLineDash(dash);
    pen.strokeRect(x + 8 * unit, y + 8 * unit, w - 16 * unit, h - 16 * unit);
  }
  pen.setLineDash([]);
}

new ResizeObserver(() => {
  const size = canvas.getBoundingClientRect();
  canvas.width = Math.round(size.width * window.devicePixelRatio);
  canvas.height = Math.round(size.height * window.devicePixelRatio);
  draw();
}).observe(canvas);

// ---------------------------------------------------------------------------------------------- how it is looked at

function look(changed) {
  Object.assign(view, changed);
  view.heat = clamp(Math.round(view.heat), 0, 100);
  view.window = clamp(Math.round(view.window), 1, 255);
  view.level = clamp(Math.round(view.level), 0, 255);
  view.zoom = clamp(view.zoom, 1, 8);
  const half = 0.5 / view.zoom;
  view.x = clamp(view.x, half, 1 - half);
  view.y = clamp(view.y, half, 1 - half);
  if ("window" in changed || "level" in changed) develop();
  if (draft) describe();
  draw();
}

const clamp = (value, low, high) => Math.min(Math.max(value, low), high);
const resetView = () => look({ window: 255, level: 128, zoom: 1, x: 0.5, y: 0.5 });

// The image moved by so many canvas pixels, and enlarged about a point of the canvas.
function move(dx, dy) {
  const { scale } = layout();
  look({ x: view.x - dx / (state.size[1] * scale), y: view.y - dy / (state.size[0] * scale) });
}

function zoom(factor, x, y) {
  const before = layout();
  const u = (x - before.left) / before.scale, v = (y - before.top) / before.scale;
  look({ zoom: view.zoom * factor });
  const after = layout();
  move(x - (after.left + u * after.scale), y - (after.top + v * after.scale));
}

// ------------------------------------------------------------------------------------- mouse, pen and fingers

const fingers = new Map(); // pointers that are down, by id: [x, y] in canvas pixels
let gesture; // {kind, ...}: choose, move, window, pinch

function pointOf(event) {
  const box = canvas.getBoundingClientRect();
  return [(event.clientX - box.left) * window.devicePixelRatio, (event.clientY - box.top) * window.devicePixelRatio];
}

function cellAt([x, y]) {
  const { scale, left, top } = layout();
  const find = (edges, value) => edges.findIndex((edge, i) => i + 1 < edges.length && value >= edge && value < edges[i + 1]);
  const col = find(state.col_edges, (x - left) / scale), row = find(state.row_edges, (y - top) / scale);
  return row < 0 || col < 0 ? 0 : row * state.cols + col + 1;
}

canvas.addEventListener("pointerdown", (event) => {
  if (!draft || busy) return;
  canvas.setPointerCapture(event.pointerId);
  const point = pointOf(event);
  fingers.set(event.pointerId, point);
  if (fingers.size === 2) {
    if (gesture && gesture.kind === "choose") draft.undo.pop(), change(gesture.before, false);
    gesture = { kind: "pinch" };
  } else if (fingers.size === 1) {
    keyboard = false;
    gesture = { kind: ["choose", "move", "window"][event.button] || "none", last: point };
    const cell = cellAt(point);
    if (gesture.kind !== "choose" || !cell) return;
    Object.assign(gesture, { before: numbers(), adds: !draft.cells.has(cell) });
    cursor = cell;
    toggle(cell);
  }
});

canvas.addEventListener("pointermove", (event) => {
  if (!fingers.has(event.pointerId) || !gesture || !draft) return;
  const point = pointOf(event);
  if (gesture.kind === "pinch") pinch(event.pointerId, point);
  fingers.set(event.pointerId, point);
  const [dx, dy] = gesture.last ? [point[0] - gesture.last[0], point[1] - gesture.last[1]] : [0, 0];
  if (gesture.kind === "choose" && "adds" in gesture) choose(gesture.last, point, gesture.adds);
  if (gesture.kind === "move") move(dx, dy);
  if (gesture.kind === "window") look({ window: view.window + dx / 2, level: view.level - dy / 2 });
  gesture.last = point;
});

for (const name of ["pointerup", "pointercancel"]) {
  canvas.addEventListener(name, (event) => {
    fingers.delete(event.pointerId);
    if (!fingers.size) gesture = undefined;
  });
}

// All cells on the way from one point to the other: a quick drag skips none.
function choose(from, to, adds) {
  const cells = new Set(draft.cells);
  const steps = Math.ceil(Math.hypot(to[0] - from[0], to[1] - from[1]) / 4) || 1;
  for (let i = 0; i <= steps; i++) {
    const cell = cellAt([from[0] + ((to[0] - from[0]) * i) / steps, from[1] + ((to[1] - from[1]) * i) / steps]);
    if (cell) adds ? cells.add(cell) : cells.delete(cell);
  }
  if (cells.size !== draft.cells.size) change(cells, false);
}

function pinch(id, point) {
  const [other] = [...fingers].filter(([one]) => one !== id).map(([, place]) => place);
  const old = fingers.get(id);
  if (!other) return;
  const apart = (a) => Math.max(Math.hypot(a[0] - other[0], a[1] - other[1]), 1);
  move((point[0] - old[0]) / 2, (point[1] - old[1]) / 2);
  zoom(apart(point) / apart(old), (point[0] + other[0]) / 2, (point[1] + other[1]) / 2);
}

canvas.addEventListener("wheel", (event) => {
  event.preventDefault();
  if (state) zoom(Math.exp(-clamp(event.deltaY, -100, 100) / 400), ...pointOf(event));
}, { passive: false });
canvas.addEventListener("contextmenu", (event) => event.preventDefault());
canvas.addEventListener("auxclick", (event) => event.preventDefault());

// --------------------------------------------------------------------------------------------------------- keyboard

const ARROWS = { ArrowLeft: [0, -1], ArrowRight: [0, 1], ArrowUp: [-1, 0], ArrowDown: [1, 0] };
const zoomBy = (factor) => zoom(factor, canvas.width / 2, canvas.height / 2);
const KEYS = {
  i: () => invert(), c: () => change([]), a: () => change(everyCell()), u: undo,
  s: () => skip(), n: () => step(1), p: () => step(-1), PageDown: () => step(1), PageUp: () => step(-1),
  h: () => look({ hidden: !view.hidden }),
  "[": () => look({ heat: view.heat - 10, hidden: false }), "]": () => look({ heat: view.heat + 10, hidden: false }),
  w: () => look({ window: view.window - 15 }), W: () => look({ window: view.window + 15 }),
  l: () => look({ level: view.level - 10 }), L: () => look({ level: view.level + 10 }),
  "+": () => zoomBy(1.25), "=": () => zoomBy(1.25), "-": () => zoomBy(0.8), "0": resetView,
  r: () => $("reason").focus(), "?": openHelp,
};
const invert = () => change(everyCell().filter((cell) => !draft.cells.has(cell)));

function arrow([down, right], moves) {
  if (moves) return move(-right * canvas.width * 0.1, -down * canvas.height * 0.1);
  const row = Math.floor((cursor - 1) / state.cols) + down, col = ((cursor - 1) % state.cols) + right;
  if (keyboard) cursor = clamp(row, 0, state.rows - 1) * state.cols + clamp(col, 0, state.cols - 1) + 1;
  keyboard = true; // the first arrow only shows where the keyboard is
  describeCell();
  draw();
}

document.addEventListener("keydown", (event) => {
  if (!draft || busy || document.querySelector("dialog[open]") || event.altKey || event.metaKey) return;
  const typing = event.target === $("reason"), free = event.target === canvas || event.target === document.body;
  const slides = event.target.matches("input");
  let done = true;
  if (typing && event.key === "Escape") canvas.focus();
  else if (typing && event.ctrlKey && event.key === "Enter") save();
  else if (typing) done = false;
  else if (event.ctrlKey) event.key === "z" ? undo() : (done = false);
  else if (event.key in ARROWS && !slides) arrow(ARROWS[event.key], event.shiftKey);
  else if (event.key === " " && free) keyboard = true, toggle(cursor), describeCell();
  else if (event.key === "Enter" && (free || slides)) event.repeat || save();
  else if (event.key === "Escape") canvas.focus();
  else if (Object.hasOwn(KEYS, event.key)) event.repeat && "snp".includes(event.key) || KEYS[event.key]();
  else if (Object.hasOwn(KEYS, event.key.toLowerCase())) KEYS[event.key.toLowerCase()]();
  else done = false;
  if (done) event.preventDefault();
});

// ---------------------------------------------------------------------------------------------------------- controls

const guarded = (action) => () => draft && !busy && action();
const CLICKS = {
  previous: () => step(-1), next: () => step(1), invert, clear: () => change([]), all: () => change(everyCell()), undo,
  save, skip, reset: resetView, "open-help": openHelp,
};
for (const [id, action] of Object.entries(CLICKS)) {
  $(id).addEventListener("click", guarded(action));
  // After the mouse Enter and Space are for the image again, and do not press the same button once more.
  $(id).addEventListener("click", (event) => event.detail && !document.querySelector("dialog[open]") && canvas.focus({ preventScroll: true }));
}
for (const name of ["heat", "window", "level"]) {
  $(name).addEventListener("input", () => look({ [name]: Number($(name).value), hidden: name !== "heat" && view.hidden }));
}
$("zoom").addEventListener("input", () => look({ zoom: Number($("zoom").value) / 100 }));
$("reason").addEventListener("input", guarded(() => {
  draft.reason = $("reason").value;
  keep();
  describe();
}));
window.addEventListener("focus", refresh);
window.addEventListener("pagehide", () => {
  tick();
  if (draft && !busy) keep();
});
document.addEventListener("visibilitychange", tick);

start();
