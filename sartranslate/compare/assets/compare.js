// The pictures of one scene on a canvas, two of them at a time with a divider between.
//
// All geometry is in pixels of the scene: `view` says how many CSS pixels one of them takes and where
// the corner of the first one lies in the stage. A pixel of a picture is `facts.step` of them.

const find = (id) => document.getElementById(id);
const facts = JSON.parse(find("facts").textContent);
const images = facts.layers.map((_, number) => find(`layer-${number}`));
const stage = find("stage");
const canvas = find("canvas");
const divider = find("divider");
const context = canvas.getContext("2d");

const LARGEST = 64; // CSS pixels of a pixel of the scene
const SMALLEST = 0.5; // of the size at which all fits
const ZOOM = 1.5; // by a key or a button
const MOVE = 60; // CSS pixels by a key
const PIXEL_LINE = 16; // CSS pixels of a line, for wheels that count lines

const view = { scale: 1, x: 0, y: 0, fitted: true };
const shown = { left: 0, right: 1, split: 0.5 };
const pointers = new Map(); // those that are down, by their number
let moving = "picture"; // what a single pointer drags: that, or the divider
let pointed = null; // where the pointer is in the stage

// --- view

const clamp = (value, low, high) => Math.min(Math.max(value, low), high);
const size = () => ({ width: stage.clientWidth, height: stage.clientHeight });

function fitting() {
  const { width, height } = size();
  return Math.min(width / facts.width, height / facts.height);
}

function fit() {
  const { width, height } = size();
  view.scale = fitting();
  view.x = (width - facts.width * view.scale) / 2;
  view.y = (height - facts.height * view.scale) / 2;
  view.fitted = true;
  redraw();
}

// The middle of the stage always shows a pixel, so that the picture can not be lost.
function pan(right, down) {
  const { width, height } = size();
  view.x = clamp(view.x + right, width / 2 - facts.width * view.scale, width / 2);
  view.y = clamp(view.y + down, height / 2 - facts.height * view.scale, height / 2);
  view.fitted = false;
  redraw();
}

function zoom(factor, at = middle()) {
  const scale = clamp(view.scale * factor, SMALLEST * fitting(), Math.max(LARGEST, fitting()));
  const times = scale / view.scale;
  view.scale = scale;
  view.x = at.x - (at.x - view.x) * times;
  view.y = at.y - (at.y - view.y) * times;
  pan(0, 0);
}

function middle() {
  const { width, height } = size();
  return { x: width / 2, y: height / 2 };
}

let ratio = devicePixelRatio; // of the canvas

function resize() {
  const before = { width: canvas.width / ratio, height: canvas.height / ratio };
  const { width, height } = size();
  ratio = devicePixelRatio;
  canvas.width = Math.round(width * ratio);
  canvas.height = Math.round(height * ratio);
  if (view.fitted) fit();
  else pan((width - before.width) / 2, (height - before.height) / 2);
}

// --- drawing

let waiting = false;

function redraw() {
  if (waiting) return;
  waiting = true;
  requestAnimationFrame(() => {
    waiting = false;
    if (ratio !== devicePixelRatio) resize(); // another screen, which need not change the stage
    drawPictures();
    showScale();
    showPlace();
  });
}

function drawPictures() {
  const { width } = size();
  context.clearRect(0, 0, canvas.width, canvas.height);
  drawSide(images[shown.left], 0, shown.split * width);
  drawSide(images[shown.right], shown.split * width, width);
  divider.style.left = `${100 * shown.split}%`;
  find("left-name").hidden = shown.split === 0;
  find("right-name").hidden = shown.split === 1;
}

function drawSide(image, from, to) {
  if (!image.naturalWidth) return; // not decoded, or damaged
  const magnified = view.scale * facts.step * ratio;
  context.save();
  context.beginPath();
  context.rect(from * ratio, 0, (to - from) * ratio, canvas.height);
  context.clip();
  context.translate(view.x * ratio, view.y * ratio);
  context.scale(magnified, magnified);
  context.beginPath(); // blocks at the edge reach beyond the scene
  context.rect(0, 0, facts.width / facts.step, facts.height / facts.step);
  context.clip();
  context.imageSmoothingEnabled = magnified < 2;
  context.imageSmoothingQuality = "high";
  context.drawImage(image, 0, 0);
  context.restore();
}

// --- what is shown

function choose(side, layer) {
  const other = side === "left" ? "right" : "left";
  if (!(layer in facts.layers)) return;
  if (shown[other] === layer) shown[other] = shown[side];
  shown[side] = layer;
  showChoice();
}

function swap() {
  [shown.left, shown.right] = [shown.right, shown.left];
  showChoice();
}

function showChoice() {
  for (const side of ["left", "right"]) {
    find(side).value = shown[side];
    find(`${side}-name`).textContent = facts.layers[shown[side]];
  }
  const legend = find("legend");
  if (legend) legend.hidden = ![shown.left, shown.right].includes(facts.layers.length - 1);
  canvas.setAttribute("aria-label", `${facts.layers[shown.left]} beside ${facts.layers[shown.right]}`);
  setSplit(shown.split);
}

function setSplit(split) {
  shown.split = clamp(split, 0, 1);
  const percent = Math.round(100 * shown.split);
  divider.setAttribute("aria-valuenow", percent);
  divider.setAttribute("aria-valuetext", `${percent} % ${facts.layers[shown.left]}, ${facts.layers[shown.right]} beyond`);
  redraw();
}

// --- coordinates

function showPlace() {
  const at = pointed ?? middle();
  const col = Math.floor((at.x - view.x) / view.scale);
  const row = Math.floor((at.y - view.y) / view.scale);
  const inside = row >= 0 && col >= 0 && row < facts.height && col < facts.width;
  find("pixel").textContent = inside ? `${pointed ? "" : "middle: "}row ${row}, column ${col}` : "outside";
  find("map").textContent = inside ? mapText(col + 0.5, row + 0.5) : "";
  find("degrees").textContent = inside ? degreesText(col + 0.5, row + 0.5) : "";
}

function mapText(col, row) {
  if (!facts.crs) return "";
  const [a, b, c, d, e, f] = facts.transform;
  const x = a * col + b * row + c;
  const y = d * col + e * row + f;
  return `x ${x.toFixed(facts.mapDigits)}, y ${y.toFixed(facts.mapDigits)} (${facts.crs})`;
}

function degreesText(col, row) {
  if (!facts.nodes) return "";
  const [longitude, latitude] = degrees(col, row);
  const east = ((((longitude + 180) % 360) + 360) % 360) - 180;
  const digits = facts.degreeDigits;
  const [north, side] = [latitude < 0 ? "S" : "N", east < 0 ? "W" : "E"];
  return `${Math.abs(latitude).toFixed(digits)}° ${north}, ${Math.abs(east).toFixed(digits)}° ${side}`;
}

// Bilinear between the four nodes around; nodes lie evenly from edge to edge.
function degrees(col, row) {
  const cells = facts.nodes.length - 1;
  const [across, down] = [(col / facts.width) * cells, (row / facts.height) * cells];
  const [left, top] = [Math.min(Math.floor(across), cells - 1), Math.min(Math.floor(down), cells - 1)];
  const [u, v] = [across - left, down - top];
  const mixed = (line, axis) => (1 - u) * line[left][axis] + u * line[left + 1][axis];
  return [0, 1].map((axis) => (1 - v) * mixed(facts.nodes[top], axis) + v * mixed(facts.nodes[top + 1], axis));
}

// --- scale bar

function showScale() {
  const unit = (facts.metres ?? 1) / view.scale; // metres, or pixels of the scene, of a CSS pixel
  const length = rounded(unit * Math.min(160, stage.clientWidth / 3));
  const [label, bar] = find("scale").children;
  label.textContent = facts.metres === null ? `${length} px` : lengthText(length);
  bar.style.width = `${length / unit}px`;
}

// The largest of 1, 2 and 5 times a power of ten that is not longer.
function rounded(length) {
  const power = 10 ** Math.floor(Math.log10(length));
  const times = [5, 2, 1].find((number) => number * power <= length * (1 + 1e-9));
  return Number((times * power).toPrecision(1));
}

function lengthText(metres) {
  if (metres >= 1000) return `${metres / 1000} km`;
  return metres >= 1 ? `${metres} m` : `${Number((metres * 100).toPrecision(1))} cm`;
}

// --- pointers

function place(event) {
  const box = stage.getBoundingClientRect();
  return { x: event.clientX - box.left, y: event.clientY - box.top };
}

function press(event) {
  if (event.button !== 0) return;
  moving = event.target === divider && pointers.size === 0 ? "divider" : "picture";
  pointed = place(event);
  pointers.set(event.pointerId, pointed);
  stage.setPointerCapture(event.pointerId);
  redraw();
}

function move(event) {
  pointed = place(event);
  const before = [...pointers.values()];
  if (pointers.has(event.pointerId)) {
    pointers.set(event.pointerId, pointed);
    const after = [...pointers.values()];
    if (after.length === 2) pinch(before, after);
    else if (moving === "divider") setSplit(pointed.x / size().width);
    else pan(after[0].x - before[0].x, after[0].y - before[0].y);
  }
  redraw();
}

function pinch(before, after) {
  const [old, now] = [between(before), between(after)];
  pan(now.x - old.x, now.y - old.y);
  zoom(now.apart / old.apart, now);
}

function between([first, second]) {
  return {
    x: (first.x + second.x) / 2,
    y: (first.y + second.y) / 2,
    apart: Math.max(1, Math.hypot(first.x - second.x, first.y - second.y)),
  };
}

function release(event) {
  pointers.delete(event.pointerId);
}

function leave(event) {
  if (event.pointerType !== "mouse") return; // a finger leaves what it has pointed at
  pointed = null;
  redraw();
}

function wheel(event) {
  event.preventDefault();
  const pixels = event.deltaY * (event.deltaMode === WheelEvent.DOM_DELTA_LINE ? PIXEL_LINE : 1);
  zoom(Math.exp(-clamp(pixels, -400, 400) / 400), place(event));
}

// --- keys

const KEYS = {
  ArrowLeft: (event) => (event.shiftKey ? pan(MOVE, 0) : setSplit(shown.split - 0.02)),
  ArrowRight: (event) => (event.shiftKey ? pan(-MOVE, 0) : setSplit(shown.split + 0.02)),
  ArrowUp: (event) => event.shiftKey && pan(0, MOVE),
  ArrowDown: (event) => event.shiftKey && pan(0, -MOVE),
  PageUp: () => setSplit(shown.split + 0.1),
  PageDown: () => setSplit(shown.split - 0.1),
  Home: () => setSplit(0),
  End: () => setSplit(1),
  "+": () => zoom(ZOOM),
  "=": () => zoom(ZOOM),
  "-": () => zoom(1 / ZOOM),
  0: fit,
  x: swap,
  h: toggleKeys,
  "?": toggleKeys,
};

function key(event) {
  if (event.ctrlKey || event.metaKey || event.altKey || event.target.matches("select")) return;
  const action = actionOf(event);
  if (!action || (find("keys").open && action !== toggleKeys)) return;
  if (action(event) !== false) event.preventDefault();
}

// The keys of digits give other characters, with Shift or without, which ones depends on the keyboard: those that are
// keys of the page come first. Without Num Lock those of the number pad are arrows and the like.
function actionOf(event) {
  const typed = KEYS[event.key.length === 1 ? event.key.toLowerCase() : event.key];
  if (typed) return typed;
  const digit = /^(?:Digit|Numpad)([1-9])$/.exec(event.code);
  if (digit && event.key.length === 1) return () => choose(event.shiftKey ? "right" : "left", Number(digit[1]) - 1);
  return undefined;
}

function toggleKeys() {
  const keys = find("keys");
  if (keys.open) keys.close();
  else keys.showModal();
}

// --- beginning

function listen() {
  stage.addEventListener("pointerdown", press);
  stage.addEventListener("pointermove", move);
  stage.addEventListener("pointerup", release);
  stage.addEventListener("pointercancel", release);
  stage.addEventListener("pointerleave", leave);
  stage.addEventListener("wheel", wheel, { passive: false });
  document.addEventListener("keydown", key);
  for (const side of ["left", "right"]) {
    find(side).addEventListener("change", (event) => choose(side, Number(event.target.value)));
  }
  find("swap").addEventListener("click", swap);
  find("zoom-in").addEventListener("click", () => zoom(ZOOM));
  find("zoom-out").addEventListener("click", () => zoom(1 / ZOOM));
  find("fit").addEventListener("click", fit);
  find("help").addEventListener("click", toggleKeys);
  new ResizeObserver(resize).observe(stage);
}

function paintLegend() {
  const bar = document.querySelector("#legend i");
  if (bar) bar.style.background = `linear-gradient(to right, ${facts.ramp.join(", ")})`;
}

// What is of no use without a script is hidden until then.
function reveal() {
  for (const part of document.querySelectorAll(".tools, #divider, #scale")) part.hidden = false;
}

reveal();
paintLegend();
showChoice();
listen();
try {
  await Promise.all(images.map((image) => image.decode()));
} catch {
  find("failure").hidden = false;
}
resize();
stage.removeAttribute("aria-busy");
