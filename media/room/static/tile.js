// One publisher on the stage: picture, name, and what is muted.

const SVG = "http://www.w3.org/2000/svg";

function element(name, className, ...children) {
  const node = document.createElement(name);
  node.className = className;
  node.append(...children);
  return node;
}

function symbol(name) {
  const svg = document.createElementNS(SVG, "svg");
  const use = document.createElementNS(SVG, "use");
  use.setAttribute("href", `/static/symbols.svg#${name}`);
  svg.append(use);
  return svg;
}

function hue(text) {
  let sum = 0;
  for (const letter of text) sum = (sum * 31 + letter.codePointAt(0)) % 360;
  return sum;
}

export class Tile {
  constructor(uid, source, { own }) {
    this.video = element("video", "");
    this.video.autoplay = this.video.playsInline = true;
    this.video.muted = own;
    const face = element("span", "face", [...uid][0].toUpperCase());
    const note = [own && "you", source === "screen" && "screen"].filter(Boolean).join(" · ");
    const name = element("span", "name", symbol("microphone-off"), element("b", "", uid));
    if (note) name.append(element("small", "", note));
    this.node = element("article", `tile ${source}${own ? " own" : ""}`, this.video, face, name);
    this.node.style.setProperty("--hue", hue(uid));
    this.node.dataset.uid = uid;
    this.node.dataset.source = source;
  }

  play(stream) {
    this.video.srcObject = stream;
    this.video.play().catch((error) => {
      if (error.name === "NotAllowedError") this.offerSound();
    });
  }

  // Browsers keep a page silent that nobody has clicked on yet.
  offerSound() {
    if (this.node.querySelector(".hear")) return;
    const button = element("button", "hear primary", "Play");
    button.addEventListener("click", () => {
      button.remove();
      this.play(this.video.srcObject);
    });
    this.node.append(button);
  }

  show({ picture, sound, muted }) {
    this.node.classList.toggle("no-picture", !picture || muted.video);
    this.node.classList.toggle("silent", sound && muted.audio);
  }

  speaking(is) {
    this.node.classList.toggle("speaking", is);
  }
}

// As many columns as make the pictures largest.
export function columns(count, width, height) {
  let best = 1;
  let largest = 0;
  for (let across = 1; across <= count; across += 1) {
    const down = Math.ceil(count / across);
    const size = Math.min(width / across, ((height / down) * 16) / 9);
    if (size > largest) [best, largest] = [across, size];
  }
  return best;
}
