// Puts the chat on any site: <script src="…/embed.js" async></script>. It adds one floating button, and behind it the
// chat page in a frame. Everything lies in a shadow root: the site's styles and the chat's leave each other alone.
"use strict";

(() => {
  const CHAT = "{{chat}}";
  const address = document.currentScript.src.replace(/\/embed\.js([?#].*)?$/, "");
  const marker = `channels-hub-${address}`;

  const STYLE = `
    :host { all: initial; }
    * { box-sizing: border-box; }
    button {
      position: fixed; right: max(20px, env(safe-area-inset-right)); bottom: max(20px, env(safe-area-inset-bottom));
      z-index: 2147483001; display: grid; place-items: center; width: 60px; height: 60px; padding: 0;
      border: 0; border-radius: 50%; background: ${CHAT.colour}; color: ${CHAT.textColour};
      box-shadow: 0 6px 24px rgb(0 0 0 / .28); cursor: pointer; transition: transform .15s;
    }
    button:hover { transform: scale(1.06); }
    button:focus-visible { outline: 3px solid ${CHAT.colour}; outline-offset: 3px; }
    svg { width: 28px; height: 28px; fill: none; stroke: currentColor; stroke-width: 2; stroke-linecap: round; stroke-linejoin: round; }
    .open .bubble, button:not(.open) .cross { display: none; }
    .news::after {
      content: ""; position: absolute; top: 2px; right: 2px; width: 14px; height: 14px;
      border: 2px solid #fff; border-radius: 50%; background: #e02424;
    }
    iframe {
      position: fixed; right: max(20px, env(safe-area-inset-right)); bottom: calc(max(20px, env(safe-area-inset-bottom)) + 74px);
      z-index: 2147483000; width: 400px; height: min(660px, calc(100vh - 120px)); border: 0; border-radius: 18px;
      background: Canvas; box-shadow: 0 14px 50px rgb(0 0 0 / .3);
    }
    iframe[hidden] { display: none; }
    @media (max-width: 480px), (max-height: 480px) {
      iframe { inset: 0; width: 100%; height: 100%; border-radius: 0; z-index: 2147483002; }
    }
    @media (prefers-reduced-motion: reduce) { button { transition: none; } }
  `;

  const ICONS = [
    ["bubble", "M4 5.5h16a1.5 1.5 0 0 1 1.5 1.5v9a1.5 1.5 0 0 1-1.5 1.5h-8.5L7 21v-3.5H4A1.5 1.5 0 0 1 2.5 16V7A1.5 1.5 0 0 1 4 5.5zM7.5 10.2h9M7.5 13.4h6"],
    ["cross", "M6 6l12 12M18 6L6 18"],
  ];

  function start() {
    if (document.getElementById(marker)) return; // the script stands in the page twice
    const host = document.createElement("div");
    host.id = marker;
    const root = host.attachShadow({ mode: "open" });
    const style = new CSSStyleSheet();
    style.replaceSync(STYLE);
    root.adoptedStyleSheets = [style];
    const button = makeButton();
    const frame = makeFrame();
    button.addEventListener("click", () => (frame.hidden ? open(button, frame) : close(button, frame)));
    window.addEventListener("message", (event) => {
      if (event.source === frame.contentWindow && event.origin === new URL(address).origin) hear(event, button, frame);
    });
    frame.addEventListener("load", () => frame.hidden || tell(frame, "opened"));
    root.append(frame, button);
    document.body.append(host);
  }

  function makeButton() {
    const button = document.createElement("button");
    button.type = "button";
    button.append(...ICONS.map(([name, path]) => makeIcon(name, path)));
    label(button, false);
    return button;
  }

  function makeIcon(name, path) {
    const icon = document.createElementNS("http://www.w3.org/2000/svg", "svg");
    const line = document.createElementNS("http://www.w3.org/2000/svg", "path");
    icon.setAttribute("class", name);
    icon.setAttribute("viewBox", "0 0 24 24");
    icon.setAttribute("aria-hidden", "true");
    line.setAttribute("d", path);
    icon.append(line);
    return icon;
  }

  function makeFrame() {
    const frame = document.createElement("iframe");
    frame.hidden = true;
    frame.title = CHAT.title;
    return frame;
  }

  function label(button, isOpen) {
    button.setAttribute("aria-label", isOpen ? `Close ${CHAT.title}` : `Open ${CHAT.title}`);
    button.setAttribute("aria-expanded", String(isOpen));
    button.classList.toggle("open", isOpen);
  }

  function open(button, frame) {
    if (!frame.src) frame.src = address;
    frame.hidden = false;
    button.classList.remove("news");
    label(button, true);
    frame.focus();
    tell(frame, "opened");
  }

  function tell(frame, news) {
    frame.contentWindow.postMessage({ channelsHub: news }, "*");
  }

  function close(button, frame) {
    frame.hidden = true;
    label(button, false);
    button.focus();
  }

  function hear(event, button, frame) {
    if (event.data?.channelsHub === "close") close(button, frame);
    if (event.data?.channelsHub === "message") button.classList.toggle("news", frame.hidden);
  }

  if (document.body) start();
  else document.addEventListener("DOMContentLoaded", start);
})();
