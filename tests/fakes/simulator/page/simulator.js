// The simulator's page: shows what the simulator says, and asks it for what the contact does. Nothing is kept here but
// what is chosen; one long poll at a time brings whatever has changed.
"use strict";

(() => {
  const RETRY_MS = 1000;
  const TOAST_MS = 2600;
  const BURST = 5;
  const EMOJIS = ["👍", "❤️", "😂", "🙏"];
  const AVATAR_HUES = [212, 152, 330, 28, 265, 190, 96, 355];
  const GLYPHS = {
    whatsapp: "M5 19l1-3.6A7.5 7.5 0 1 1 8.800 18zM9.200 9.300c0 3 2.500 5.500 5.500 5.500",
    messenger: "M12 4c-4.700 0-8 3.200-8 7.300 0 2.300 1 4.200 2.700 5.500V20l2.600-1.500c.9.200 1.800.300 2.700.300 4.700 0 8-3.200 8-7.300S16.700 4 12 4zM8 13l3-3.200 2.200 2L16 9.500",
    instagram: "M8 4h8a4 4 0 0 1 4 4v8a4 4 0 0 1-4 4H8a4 4 0 0 1-4-4V8a4 4 0 0 1 4-4zM12 8.500a3.500 3.500 0 1 0 0 7 3.500 3.500 0 0 0 0-7zM16.700 7.300h.01",
    telegram: "M20.500 4.500L3.500 11.300l5 1.700 2 6 3-3.800 4.500 3.300zM8.500 13l7-5",
    slack: "M9.500 4v16M14.500 4v16M4 9.500h16M4 14.500h16",
    twilio: "M5 5h14v10.500H10L6.500 19v-3.500H5zM8.500 9h7M8.500 12h4",
  };
  const SHAPES = {
    photo: "M4 6h16v13H4zM4 16l4.500-5 4 4.500 2.500-2.500 5 5M15.500 10h.01",
    voice: "M12 4a2.500 2.500 0 0 0-2.500 2.500v5a2.500 2.500 0 0 0 5 0v-5A2.500 2.500 0 0 0 12 4zM6.500 11.500a5.500 5.500 0 0 0 11 0M12 17v3",
    location: "M12 21s6.500-6 6.500-11a6.500 6.500 0 1 0-13 0c0 5 6.500 11 6.500 11zM12 7.800a2.200 2.200 0 1 0 0 4.400 2.200 2.200 0 0 0 0-4.400z",
  };
  const KIND_WORDS = { photo: "Photo", voice: "Voice message", location: "Location" };
  const FAULTS = [
    { name: "error", label: "Fail with 500", hint: "an error page, and no clear result", armed: (n) => `the next ${sends(n)} to fail` },
    { name: "busy", label: "Ask to slow down", hint: "429: too fast, come back in a moment", armed: (n) => `the next ${sends(n)} told to wait` },
    { name: "silence", label: "Take it, never answer", hint: "sent, but the hub cannot know", armed: (n) => `the next ${sends(n)} taken in silence` },
    { name: "token", label: "Reject the token", hint: "as if it had been revoked", armed: () => "every call is refused with 401" },
    { name: "duplicates", label: "Deliver messages 3 times", hint: "webhooks that come again", armed: () => "every message comes three times" },
    { name: "reorder", label: "Swap two messages", hint: "the second comes before the first", armed: () => "each message waits to be overtaken" },
    { name: "blocked", label: "Contact blocks the account", hint: "nothing reaches this contact", armed: () => "this contact gets nothing" },
  ];

  const at = (id) => document.getElementById(id);
  const sends = (n) => (n === 1 ? "send is" : `${n} sends are`);

  const chosen = { account: "", contact: "" };
  let state = null;
  let revision = 0;
  let lastPacket = 0;
  let packets = [];
  let editing = "";
  let poll = null;
  let dialogGiven = "";

  // --- elements -----------------------------------------------------------------------------------------------------

  function make(tag, attributes = {}, ...children) {
    const node = document.createElement(tag);
    for (const [name, value] of Object.entries(attributes)) {
      if (name.startsWith("on")) node.addEventListener(name.slice(2), value);
      else if (value !== false && value !== undefined && value !== null) node.setAttribute(name, value === true ? "" : value);
    }
    node.append(...children.filter((child) => child !== null && child !== undefined && child !== ""));
    return node;
  }

  function drawing(path) {
    const svg = document.createElementNS("http://www.w3.org/2000/svg", "svg");
    svg.setAttribute("viewBox", "0 0 24 24");
    svg.setAttribute("aria-hidden", "true");
    const shape = document.createElementNS("http://www.w3.org/2000/svg", "path");
    shape.setAttribute("d", path);
    svg.append(shape);
    return svg;
  }

  function avatar(name) {
    const initials = name.split(/\s+/).map((word) => word[0] || "").join("").slice(0, 2).toUpperCase();
    const sum = [...name].reduce((total, letter) => total + letter.codePointAt(0), 0);
    const node = make("span", { class: "avatar", "aria-hidden": "true" }, initials);
    node.style.setProperty("--hue", `hsl(${AVATAR_HUES[sum % AVATAR_HUES.length]} 45% 42%)`);
    return node;
  }

  const clock = (seconds) => new Date(seconds * 1000).toLocaleTimeString([], { hour: "2-digit", minute: "2-digit", hourCycle: "h23" });
  const exactClock = (seconds) => new Date(seconds * 1000).toLocaleTimeString([], { hourCycle: "h23" });

  /** Draw a list anew only where what it shows has changed: so that focus, selection and open menus stay. */
  function redraw(node, content, draw) {
    const key = JSON.stringify(content);
    if (node.dataset.drawn === key) return false;
    node.dataset.drawn = key;
    const focused = node.contains(document.activeElement) ? document.activeElement.dataset.key : null;
    node.replaceChildren(...draw());
    if (focused) node.querySelector(`[data-key="${CSS.escape(focused)}"]`)?.focus();
    return true;
  }

  let toastTimer = 0;
  function say(text) {
    at("said").textContent = text;
    at("said").hidden = false;
    clearTimeout(toastTimer);
    toastTimer = setTimeout(() => { at("said").hidden = true; }, TOAST_MS);
  }

  // --- the simulator ------------------------------------------------------------------------------------------------

  async function ask(action, content = {}) {
    try {
      const response = await fetch(`api/${action}`, {
        method: "POST",
        headers: { "content-type": "application/json" },
        body: JSON.stringify({ ...chosen, ...content }),
      });
      const answer = await response.json();
      if (!response.ok) say(answer.error);
      return response.ok ? answer : null;
    } catch {
      say("The simulator does not answer.");
      return null;
    }
  }

  async function follow() {
    for (;;) {
      poll = new AbortController();
      try {
        const query = new URLSearchParams({ after: revision, wire: lastPacket, ...chosen });
        const response = await fetch(`api/state?${query}`, { signal: poll.signal, cache: "no-store" });
        take(await response.json());
        at("lost").hidden = true;
      } catch (error) {
        if (error.name === "AbortError") continue;
        at("lost").hidden = false;
        revision = 0;
        await new Promise((resolve) => setTimeout(resolve, RETRY_MS));
      }
    }
  }

  function take(news) {
    if (state && news.revision < state.revision) {
      packets = []; // it was started anew
      lastPacket = 0;
    }
    state = news;
    revision = news.revision;
    packets = [...packets, ...news.wire].slice(-400);
    lastPacket = packets.length ? packets[packets.length - 1].id : 0;
    if (!account()) chooseFirst();
    show();
  }

  // --- what is chosen -----------------------------------------------------------------------------------------------

  const account = () => state.accounts.find((each) => each.id === chosen.account);
  const contact = () => account()?.contacts.find((each) => each.id === chosen.contact);
  const platform = (kind) => state.platforms.find((each) => each.kind === kind);
  const chat = () => (state.chat && state.chat.account === chosen.account && state.chat.contact === chosen.contact ? state.chat : null);

  function readAddress() {
    const [account_, contact_] = location.hash.slice(1).split("/").map(decodeURIComponent);
    chosen.account = account_ || "";
    chosen.contact = contact_ || "";
  }

  function choose(accountId, contactId = "") {
    const found = state.accounts.find((each) => each.id === accountId);
    chosen.account = accountId;
    chosen.contact = contactId || found?.contacts[0]?.id || "";
    history.replaceState(null, "", `#${encodeURIComponent(chosen.account)}/${encodeURIComponent(chosen.contact)}`);
    stopEditing();
    revision = 0;
    show();
    poll?.abort();
  }

  function chooseFirst() {
    const first = state.accounts[0];
    if (first) choose(first.id);
  }

  function chooseOrganization(name) {
    const own = state.accounts.filter((each) => each.organization === name);
    const same = own.find((each) => each.kind === account()?.kind) || own[0];
    if (same) choose(same.id);
  }

  // --- people -------------------------------------------------------------------------------------------------------

  function show() {
    if (!account() || !contact()) return;
    showPeople();
    showPhone();
    showFaults();
    showWire();
  }

  function showPeople() {
    const current = account();
    redraw(at("organization"), [state.organizations.map((each) => each.name), current.organization], () =>
      state.organizations.map((each) => make("option", { value: each.name, selected: each.name === current.organization }, each.name)));
    const own = state.accounts.filter((each) => each.organization === current.organization);
    redraw(at("platforms"), [state.platforms, current.id, own.map((each) => [each.id, unreadOf(each)])], () =>
      state.platforms.map((each) => platformButton(each, own.filter((one) => one.kind === each.kind), current)));
    showAccount(current);
    redraw(at("contacts"), [current.id, current.contacts, chosen.contact], () =>
      current.contacts.map((each) => make("li", {}, contactButton(each))));
    at("to-conversation").href = contact().conversation_url;
    at("to-proof").href = state.organizations.find((each) => each.name === current.organization).proof_url;
    at("to-console").href = `${state.console}/`;
  }

  const unreadOf = (each) => each.contacts.reduce((sum, one) => sum + one.unread, 0);
  const badge = (count) => (count ? make("span", { class: "unread", "aria-label": `${count} unread` }, String(count)) : null);

  function platformButton(each, accounts, current) {
    const isChosen = each.kind === current.kind;
    const title = !each.is_served ? `${each.label}: ${each.setting} is set, so the hub looks elsewhere` :
      accounts.length ? each.label : `${each.label}: open an account first`;
    const unread = isChosen ? 0 : accounts.reduce((sum, one) => sum + unreadOf(one), 0);
    return make("button", {
      type: "button", class: "platform", role: "radio", "aria-checked": String(isChosen), "data-kind": each.kind, "data-key": each.kind,
      disabled: !accounts.length, title, tabindex: isChosen ? 0 : -1, onclick: () => choose(nextOf(accounts, current)),
    }, make("span", { class: "glyph", "aria-hidden": "true" }, drawing(GLYPHS[each.kind])), each.label.replace(/ \(.*/, ""), badge(unread));
  }

  /** An organization may have several accounts at a platform: each click takes the next. */
  function nextOf(accounts, current) {
    const place = accounts.findIndex((each) => each.id === current.id);
    return accounts[(place + 1) % accounts.length].id;
  }

  function showAccount(current) {
    const own = platform(current.kind);
    at("account-name").textContent = current.name;
    at("account-state").textContent = current.is_connected ? "connected" : "not connected";
    at("account-state").classList.toggle("off", !current.is_connected);
    at("account-note").textContent = current.is_connected ? "" : `Paste its credentials into a new ${own.label} channel of an organization${own.is_by_hand ? ", and the address that the channel shows there into this field" : ""}.`;
    at("address-form").hidden = !own.is_by_hand;
    at("to-add").href = own.add_url;
    redraw(at("credentials"), current.credentials, () => current.credentials.flatMap((each) => [
      make("dt", {}, each.label),
      make("dd", {}, make("code", { title: each.value }, each.value),
        make("button", { type: "button", class: "quiet", "aria-label": `Copy ${each.label}`, onclick: () => copy(each) }, "Copy")),
    ]));
    if (at("account-details").dataset.of !== current.id) {
      at("account-details").dataset.of = current.id;
      at("account-details").open = !current.is_connected;
      at("address").value = current.webhook;
    }
  }

  async function enterAddress() {
    if (await ask("address", { url: at("address").value })) say("Verified: events go there.");
  }

  async function copy(credential) {
    try {
      await navigator.clipboard.writeText(credential.value);
      say(`${credential.label} copied.`);
    } catch {
      say("Copying is not allowed here: select it by hand.");
    }
  }

  function contactButton(each) {
    const isChosen = each.id === chosen.contact;
    return make("button", { type: "button", class: "contact", "aria-current": isChosen ? "true" : "false", "data-key": each.id, onclick: () => pick(each.id) },
      avatar(each.name),
      make("span", { class: "who" }, make("strong", { dir: "auto" }, each.name),
        make("span", { class: "last", dir: "auto" }, each.is_blocking ? "has blocked the account" : each.last || each.id)),
      isChosen ? null : badge(each.unread));
  }

  function pick(contactId) {
    choose(chosen.account, contactId);
    showPane("chat");
  }

  // --- the phone ----------------------------------------------------------------------------------------------------

  function showPhone() {
    const current = account(), own = platform(current.kind), shownChat = chat();
    const phone = at("phone");
    if (phone.dataset.kind !== current.kind) phone.dataset.kind = current.kind;
    at("phone-title").textContent = current.organization;
    at("phone-kind").textContent = own.label;
    redraw(at("phone-avatar"), current.organization, () => [avatar(current.organization)]);
    const isTyping = Boolean(shownChat && shownChat.typing_seconds > 0);
    at("phone-state").textContent = isTyping ? "typing…" : `${contact().name}'s phone`;
    at("typing").hidden = !isTyping;
    at("typing-said").textContent = isTyping ? `${current.organization} is typing` : "";
    if (isTyping) endTypingIn(shownChat.typing_seconds);
    at("text-label").textContent = `Message as ${contact().name}`;
    at("hello").textContent = helloFor(current, own);
    const messages = shownChat ? shownChat.messages : [];
    const isDrawn = redraw(at("messages"), [chosen, messages, own.can], () => messages.map((each, place) => entry(each, messages[place - 1], own)));
    redraw(at("suggestions"), [chosen.account, messages.length ? [] : questions(current)], () => (messages.length ? [] :
      questions(current).map((text) => make("button", { type: "button", onclick: () => write(text) }, text))));
    redraw(at("attachments"), own.can, () => attachments(own));
    if (isDrawn || isTyping) scrollToEnd();
    if (shownChat && messages.some((each) => !each.mine && each.tick !== "read") && !document.hidden) ask("look");
  }

  const questions = (current) => state.organizations.find((each) => each.name === current.organization).questions;

  function helloFor(current, own) {
    if (!current.is_connected) return `Nobody listens yet: connect this ${own.label} account in the console.`;
    if (contact().is_blocking) return `${contact().name} has blocked ${current.organization}.`;
    return chat()?.messages.length ? "" : `Write as ${contact().name}. What you send goes to the hub as a signed webhook.`;
  }

  let typingTimer = 0;
  function endTypingIn(seconds) {
    clearTimeout(typingTimer);
    typingTimer = setTimeout(() => { if (chat()) { chat().typing_seconds = 0; showPhone(); } }, seconds * 1000);
  }

  function entry(message, before, own) {
    const isFirst = !before || before.mine !== message.mine;
    const side = message.mine ? "mine" : "theirs";
    const isFresh = Date.now() / 1000 - message.at < 2;
    const node = make("div", { class: `entry ${side}${isFirst ? " first" : ""}${isFresh ? " fresh" : ""}${message.is_unsent ? " unsent" : ""}` },
      make("div", { class: "line" },
        make("div", { class: "bubble", dir: "auto" }, ...inside(message),
          make("span", { class: "meta" }, message.is_edited && !message.is_unsent ? "edited · " : "", clock(message.at), message.mine ? ticks(message) : null)),
        message.is_unsent ? null : actions(message, own)));
    if (message.reaction) node.append(make("span", { class: "reaction", "aria-label": `Reaction ${message.reaction}` }, message.reaction));
    if (message.choices.length) node.append(choices(message));
    return node;
  }

  function inside(message) {
    if (message.is_unsent) return ["This message was deleted"];
    if (message.kind === "photo") return [make("img", { class: "picture", src: "files/photo-png", alt: "A photo" }), message.text];
    if (message.kind === "voice") return [make("span", { class: "media" }, drawing(SHAPES.voice), make("span", { class: "wave", role: "img", "aria-label": "A voice message" }), "0:04")];
    if (message.kind === "location") return [make("span", { class: "media" }, drawing(SHAPES.location), "Landungsbrücken")];
    return [message.text];
  }

  function ticks(message) {
    const words = { sending: "on its way", sent: "sent", delivered: "the hub has it", read: "read" };
    const marks = { sending: "◷", sent: "✓", delivered: "✓✓", read: "✓✓" };
    return make("span", { class: `ticks ${message.tick}`, title: words[message.tick], role: "img", "aria-label": words[message.tick] }, marks[message.tick]);
  }

  function choices(message) {
    const buttons = message.choices.map((title, place) => make("button", {
      type: "button", "data-key": `${message.id} ${place}`, disabled: Boolean(message.pressed), onclick: () => ask("press", { message: message.id, place }),
    }, title === message.pressed ? `${title} ✓` : title));
    return make("div", { class: `choices${message.quick ? " quick" : ""}`, role: "group", "aria-label": "Choices" }, ...buttons);
  }

  function actions(message, own) {
    const items = [];
    if (own.can.includes("react")) {
      items.push(make("div", { class: "emojis" }, ...EMOJIS.map((emoji) => make("button", {
        type: "button", "aria-label": `React with ${emoji}`, onclick: () => ask("react", { message: message.id, emoji: emoji === message.reaction ? "" : emoji }),
      }, emoji))));
    }
    if (message.mine && message.kind === "text" && own.can.includes("edit")) items.push(make("button", { type: "button", onclick: () => startEditing(message) }, "Edit"));
    if (message.mine && own.can.includes("unsend")) items.push(make("button", { type: "button", onclick: () => ask("unsend", { message: message.id }) }, "Unsend"));
    if (!items.length) return null;
    const menu = make("div", { class: "menu", hidden: true, onclick: () => closeMenus() }, ...items);
    const opener = make("button", { type: "button", class: "more", "aria-label": "React, edit or unsend", "aria-expanded": "false", "data-key": `${message.id} menu`, onclick: () => toggleMenu(opener, menu) }, "⋯");
    return make("div", { class: "menu-holder" }, opener, menu);
  }

  function attachments(own) {
    const kinds = ["photo", "voice", "location"].filter((kind) => own.can.includes(kind));
    return [
      ...kinds.map((kind) => make("button", { type: "button", onclick: () => send({ kind }) }, KIND_WORDS[kind])),
      make("button", { type: "button", onclick: () => ask("burst", { count: BURST }) }, `Burst of ${BURST} messages`),
    ];
  }

  function toggleMenu(opener, menu) {
    const isOpen = menu.hidden;
    closeMenus();
    menu.hidden = !isOpen;
    opener.setAttribute("aria-expanded", String(isOpen));
    if (isOpen) menu.querySelector("button")?.focus();
  }

  function closeMenus() {
    for (const menu of document.querySelectorAll(".menu:not([hidden])")) {
      menu.hidden = true;
      menu.parentElement.querySelector("[aria-expanded]").setAttribute("aria-expanded", "false");
    }
  }

  function scrollToEnd() {
    const scroller = at("scroller");
    requestAnimationFrame(() => { scroller.scrollTop = scroller.scrollHeight; });
  }

  function send(content) {
    closeMenus();
    return ask("write", content);
  }

  const write = (text) => send({ text });

  function startEditing(message) {
    editing = message.id;
    at("text").value = message.text;
    at("editing").hidden = false;
    composerChanged();
    at("text").focus();
  }

  function stopEditing() {
    if (!editing) return;
    editing = "";
    at("text").value = "";
    at("editing").hidden = true;
    composerChanged();
  }

  async function submit() {
    const text = at("text").value.trim();
    if (!text) return;
    at("text").value = "";
    composerChanged();
    const isDone = editing ? await ask("edit", { message: editing, text }) : await write(text);
    if (!isDone) at("text").value = text;
    else stopEditing();
    composerChanged();
    at("text").focus();
  }

  function composerChanged() {
    const field = at("text");
    at("send").disabled = !field.value.trim();
    field.style.height = "auto";
    field.style.height = `${field.scrollHeight + 2}px`;
  }

  // --- faults -------------------------------------------------------------------------------------------------------

  const faultValue = (fault) => (fault.name === "blocked" ? contact().is_blocking : account().faults[fault.name]);

  function showFaults() {
    const values = FAULTS.map(faultValue);
    const count = values.filter(Boolean).length;
    at("no-faults").hidden = !count;
    at("armed-count").hidden = !count;
    at("armed-count").textContent = String(count);
    redraw(at("faults"), [chosen, values], () => FAULTS.map((fault) => faultRow(fault, faultValue(fault))));
  }

  function faultRow(fault, value) {
    const id = `fault-${fault.name}`;
    return make("li", { class: `fault${value ? " armed" : ""}` },
      make("div", {}, make("strong", { id }, fault.label), make("small", {}, value ? fault.armed(value) : fault.hint)),
      typeof value === "boolean" ? switchOf(fault, value, id) : stepperOf(fault, value));
  }

  function switchOf(fault, value, id) {
    return make("button", { type: "button", class: "switch", role: "switch", "aria-checked": String(value), "aria-labelledby": id, "data-key": id, onclick: () => arm(fault, !value) });
  }

  function stepperOf(fault, value) {
    const button = (sign, label, next, isOff) => make("button", {
      type: "button", "aria-label": `${fault.label}: ${label}`, "data-key": `${fault.name} ${sign}`, disabled: isOff, onclick: () => arm(fault, next),
    }, sign);
    return make("div", { class: "stepper" }, button("−", "one send less", value - 1, value === 0), make("output", {}, String(value)), button("+", "one send more", value + 1, value === 9));
  }

  const arm = (fault, value) => (fault.name === "blocked" ? ask("block", { on: value }) : ask("faults", { fault: fault.name, value }));

  function disarmAll() {
    for (const fault of FAULTS) {
      const value = faultValue(fault);
      if (value) arm(fault, typeof value === "boolean" ? false : 0);
    }
  }

  // --- the wire -----------------------------------------------------------------------------------------------------

  const isShown = (packet) =>
    (at("wire-scope").value === "all" || packet.account === chosen.account) &&
    (!at("wire-direction").value || packet.direction === at("wire-direction").value);

  const packetNodes = new Map();

  function showWire() {
    const found = packets.filter(isShown);
    const ids = new Set(found.map((packet) => packet.id));
    for (const [id, node] of packetNodes) {
      if (!ids.has(id)) {
        node.remove();
        packetNodes.delete(id);
      }
    }
    for (const packet of found.filter((each) => !packetNodes.has(each.id))) {
      packetNodes.set(packet.id, packetNode(packet)); // they come in their order, and the newest stands first
      at("wire").prepend(packetNodes.get(packet.id));
    }
    at("wire-empty").hidden = found.length > 0;
  }

  function packetNode(packet) {
    const isGood = packet.status >= 200 && packet.status < 300;
    const whose = state.accounts.find((each) => each.id === packet.account);
    const place = at("wire-scope").value === "all" ? `${whose?.name || "unknown account"} ` : "";
    const details = make("details", { class: "packet" },
      make("summary", {},
        make("span", { class: `direction ${packet.direction}` }, packet.direction === "webhook" ? "to the hub" : "from the hub"),
        make("span", { class: "what" }, packet.title, packet.count > 1 ? ` ×${packet.count}` : "", " ", make("small", { dir: "auto" }, `${place}${packet.detail}`),
          packet.fault ? make("span", { class: "tag" }, faultWord(packet.fault)) : null),
        make("time", {}, `${packet.milliseconds} ms · ${exactClock(packet.at)}`),
        make("span", { class: `status${isGood ? "" : " bad"}`, title: packet.status ? "" : "no answer" }, packet.status ? String(packet.status) : "none")));
    details.addEventListener("toggle", () => {
      if (details.open && !details.querySelector(".inside")) details.append(insidePacket(packet));
    });
    return make("li", {}, details);
  }

  const faultWord = (name) => ({ error: "500", busy: "slow down", silence: "no answer", token: "token rejected", again: "once more" })[name] || name;

  function insidePacket(packet) {
    return make("div", { class: "inside" },
      make("h4", {}, "Request"), code(`${packet.method} ${packet.url}\n${headers(packet.headers)}`),
      packet.body ? code(packet.body) : null,
      make("h4", {}, packet.status ? `Answer ${packet.status}, after ${packet.milliseconds} ms` : `No answer within ${Math.round(packet.milliseconds / 1000)} s`),
      packet.answer ? code(packet.answer) : make("p", { class: "empty" }, "An empty body."));
  }

  const headers = (given) => Object.entries(given).map(([name, value]) => `${name}: ${value}`).join("\n");

  /** Text with JSON's keys, strings and numbers in colours. */
  function code(text) {
    const pre = make("pre", { tabindex: "0" });
    const pattern = /("(?:\\.|[^"\\])*")(\s*:)?|\b-?\d+(?:\.\d+)?\b|\b(?:true|false|null)\b/g;
    if (!/^\s*[[{]/.test(text)) return pre.append(text), pre;
    let end = 0;
    for (const match of text.matchAll(pattern)) {
      pre.append(text.slice(end, match.index), make("span", { class: match[2] ? "k" : match[1] ? "s" : "n" }, match[1] || match[0]), match[2] || "");
      end = match.index + match[0].length;
    }
    pre.append(text.slice(end));
    return pre;
  }

  // --- the rest of the page -----------------------------------------------------------------------------------------

  function showPane(name) {
    document.body.dataset.pane = name;
    for (const button of document.querySelectorAll(".panes button")) button.setAttribute("aria-current", String(button.dataset.pane === name));
    if (name === "chat") scrollToEnd();
  }

  function openDialog() {
    at("new-kind").replaceChildren(...state.platforms.filter((each) => each.is_served).map((each) => make("option", { value: each.kind, selected: each.kind === account().kind }, each.label)));
    at("organization-names").replaceChildren(...state.organizations.map((each) => make("option", { value: each.name })));
    at("new-organization").value = dialogGiven;
    at("account-dialog").showModal();
    at("new-organization").focus();
  }

  async function openAccount() {
    dialogGiven = at("new-organization").value;
    const opened = await ask("accounts", { kind: at("new-kind").value, organization: dialogGiven });
    if (!opened) return;
    at("account-dialog").close();
    chosen.account = opened.account;
    chosen.contact = "";
    revision = 0;
    poll?.abort();
    const wait = setInterval(() => {
      if (!account()) return;
      clearInterval(wait);
      choose(opened.account);
      showPane("people");
      say("Opened. Its credentials are on the left, to be pasted in the console.");
    }, 50);
  }

  /** The arrow keys move within a group of radio buttons. */
  function moveInPlatforms(event) {
    const step = { ArrowRight: 1, ArrowDown: 1, ArrowLeft: -1, ArrowUp: -1 }[event.key];
    if (!step) return;
    event.preventDefault();
    const buttons = [...at("platforms").querySelectorAll("button:not(:disabled)")];
    const place = buttons.findIndex((each) => each.getAttribute("aria-checked") === "true");
    const next = buttons[(place + step + buttons.length) % buttons.length];
    next.click();
    at("platforms").querySelector('[aria-checked="true"]').focus();
  }

  at("organization").addEventListener("change", (event) => chooseOrganization(event.target.value));
  at("platforms").addEventListener("keydown", moveInPlatforms);
  at("new-contact").addEventListener("click", async () => {
    const made = await ask("contacts");
    if (made) pick(made.contact);
  });
  at("new-account").addEventListener("click", openDialog);
  at("account-cancel").addEventListener("click", () => at("account-dialog").close());
  at("account-form").addEventListener("submit", (event) => { event.preventDefault(); openAccount(); });
  at("address-form").addEventListener("submit", (event) => { event.preventDefault(); enterAddress(); });
  at("composer").addEventListener("submit", (event) => { event.preventDefault(); submit(); });
  at("text").addEventListener("input", composerChanged);
  at("text").addEventListener("keydown", (event) => {
    if (event.key === "Enter" && !event.shiftKey && !event.isComposing) { event.preventDefault(); submit(); }
    if (event.key === "Escape") stopEditing();
  });
  at("stop-editing").addEventListener("click", stopEditing);
  at("attach").addEventListener("click", () => toggleMenu(at("attach"), at("attachments")));
  at("no-faults").addEventListener("click", disarmAll);
  for (const id of ["wire-scope", "wire-direction"]) at(id).addEventListener("change", () => { for (const node of packetNodes.values()) node.remove(); packetNodes.clear(); showWire(); });
  for (const button of document.querySelectorAll(".panes button")) button.addEventListener("click", () => showPane(button.dataset.pane));
  document.addEventListener("click", (event) => { if (!event.target.closest(".menu-holder")) closeMenus(); });
  document.addEventListener("keydown", (event) => { if (event.key === "Escape") closeMenus(); });
  document.addEventListener("visibilitychange", () => { if (!document.hidden && state) showPhone(); });

  readAddress();
  showPane("chat");
  follow();
})();
