// The chat page. A message is shown at once, kept in the browser until the hub's ledger shows it back, and sent under
// one and the same id as often as it takes: so it is neither lost nor doubled.
"use strict";

(() => {
  const FAST_MS = 600;
  const IDLE_MS = 5000;
  const REQUEST_TIMEOUT_MS = 10000;
  const ANSWER_EXPECTED_MS = 15000;
  const RETRY_MS = [1000, 2000, 4000, 8000, 15000];
  const JOIN_MS = 5 * 60 * 1000;
  const TEXT_LIMIT = Number(document.body.dataset.textLimit);
  const PRESENCE = document.getElementById("presence").textContent;

  const base = new URL(".", document.currentScript.src);
  const address = base.href.slice(0, -1);
  const storageName = `hub-chat:${address.slice(address.lastIndexOf("/") + 1)}`;
  const at = (id) => document.getElementById(id);
  const composer = at("text");

  const entries = new Map(); // by the id of the message: the browser's own for the visitor's, the ledger's for others
  let lastId = 0;
  let sequence = 0;
  let isLoaded = false;
  let isAnswerDue = false;
  let expectedUntil = 0;

  // --- what the browser keeps ---------------------------------------------------------------------------------------

  const storage = (() => {
    try {
      localStorage.getItem(storageName);
      return localStorage;
    } catch {
      return memoryStorage(); // forbidden in some frames: then the conversation lives as long as the page
    }
  })();

  function memoryStorage() {
    const kept = new Map();
    return {
      getItem: (name) => kept.get(name) ?? null,
      setItem: (name, value) => kept.set(name, value),
      removeItem: (name) => kept.delete(name),
      keys: () => [...kept.keys()],
    };
  }

  function keep(name, value) {
    try {
      storage.setItem(name, value);
    } catch {
      // the storage is full: the message is still in the page
    }
  }

  function randomId(bytes) {
    const random = crypto.getRandomValues(new Uint8Array(bytes));
    return btoa(String.fromCharCode(...random)).replaceAll("+", "-").replaceAll("/", "_").replaceAll("=", "");
  }

  function visitorKey() {
    const stored = storage.getItem(`${storageName}:key`);
    if (stored) return stored;
    const made = randomId(32);
    keep(`${storageName}:key`, made);
    return made;
  }

  const outboxName = (clientId) => `${storageName}:out:${clientId}`;

  function unsentMessages() {
    const names = storage.keys ? storage.keys() : Object.keys(storage);
    return names
      .filter((name) => name.startsWith(outboxName("")))
      .map((name) => readStored(name))
      .filter((message) => message !== null)
      .sort((one, other) => one.at - other.at);
  }

  function readStored(name) {
    try {
      const message = JSON.parse(storage.getItem(name));
      return typeof message.text === "string" ? message : null;
    } catch {
      return null;
    }
  }

  // --- the hub ------------------------------------------------------------------------------------------------------

  const key = visitorKey();

  function request(url, options = {}) {
    const headers = { authorization: `Bearer ${key}`, ...options.headers };
    return fetch(url, { ...options, headers, cache: "no-store", signal: AbortSignal.timeout(REQUEST_TIMEOUT_MS) });
  }

  async function fetchMessages() {
    const response = await request(`${base.href}messages?after=${lastId}`);
    if (!response.ok) throw new Error(`status ${response.status}`);
    return response.json();
  }

  /** The state that a message has then: accepted, delayed, or refused for good. `problem` is the hub's sentence on why,
   * and `retryMs` when it wants to be asked again. */
  async function post(entry) {
    try {
      const response = await request(address, {
        method: "POST",
        headers: { "content-type": "application/json" },
        body: JSON.stringify({
          id: entry.clientId,
          text: entry.text,
          choice: entry.isChoice,
          below: entry.below,
          waited_seconds: Math.max(0, Math.round((Date.now() - entry.at) / 1000)),
        }),
      });
      if (response.ok) return { state: "accepted" };
      if (response.status === 429) return await heldBack(response);
      const isFinal = response.status < 500 && ![408, 425].includes(response.status);
      return isFinal ? { state: "refused", problem: await refusal(response) } : { state: "delayed" };
    } catch {
      return { state: "delayed" };
    }
  }

  async function heldBack(response) {
    const retryMs = Number(response.headers.get("retry-after")) * 1000;
    return retryMs > 0 ? { state: "delayed", problem: await refusal(response), retryMs } : { state: "delayed" };
  }

  async function refusal(response) {
    try {
      return (await response.json()).error || "The message was refused.";
    } catch {
      return "The message was refused.";
    }
  }

  // --- sending, one after the other ---------------------------------------------------------------------------------

  let isSending = false;
  let wakeSender = () => {};

  async function sendWaiting() {
    if (isSending) return;
    isSending = true;
    for (let [entry] = waiting(), tries = 0; entry; [entry] = waiting()) {
      const outcome = await post(entry);
      settle(entry, outcome);
      if (outcome.retryMs) waiting().forEach((other) => other === entry || settle(other, { state: "delayed" }));
      tries = outcome.state === "delayed" ? tries + 1 : 0;
      if (tries) await pause(outcome.retryMs ?? RETRY_MS[Math.min(tries, RETRY_MS.length) - 1]);
    }
    isSending = false;
  }

  const waiting = () => [...entries.values()].filter((entry) => entry.state === "sending" || entry.state === "delayed");

  const pause = (milliseconds) =>
    new Promise((resolve) => {
      wakeSender = resolve;
      setTimeout(resolve, milliseconds);
    });

  function settle(entry, outcome) {
    if (entry.state === "stored") return; // the ledger was faster than the answer to the request
    Object.assign(entry, { state: outcome.state, problem: outcome.problem });
    if (outcome.state === "accepted") expectAnswer();
    if (outcome.state === "refused") storage.removeItem(outboxName(entry.clientId));
    showState(entry);
  }

  /** `below`: the ledger's id of the message whose choice this is. */
  function write(text, below) {
    const said = { text, isChoice: below !== undefined, below, at: Date.now() };
    const entry = { ...said, clientId: randomId(16), mine: true, state: "sending" };
    keep(outboxName(entry.clientId), JSON.stringify({ ...said, id: entry.clientId }));
    add(entry);
    scrollToEnd();
    wakeSender();
    sendWaiting();
  }

  function takeBack(entry) {
    entries.delete(entry.clientId);
    entry.node.remove();
    composer.value = entry.text;
    arrange();
    composerChanged();
    composer.focus();
  }

  // --- polling ------------------------------------------------------------------------------------------------------

  let timer = 0;
  let delay = FAST_MS;
  let isPolling = false;

  function pollIn(milliseconds) {
    clearTimeout(timer);
    if (!document.hidden) timer = setTimeout(poll, milliseconds);
  }

  async function poll() {
    if (isPolling) return;
    isPolling = true;
    try {
      receive(await fetchMessages());
      showConnection(true);
    } catch {
      showConnection(false);
    }
    isPolling = false;
    delay = isWaiting() ? FAST_MS : Math.min(delay * 1.5, IDLE_MS);
    pollIn(delay);
  }

  const isWaiting = () =>
    isAnswerDue || Date.now() < expectedUntil || [...entries.values()].some((entry) => entry.state === "accepted");

  function expectAnswer() {
    expectedUntil = Date.now() + ANSWER_EXPECTED_MS;
    delay = FAST_MS;
    pollIn(FAST_MS);
  }

  function receive(answer) {
    const wasAtEnd = isAtEnd();
    const news = answer.messages.filter(receiveMessage).filter((message) => !message.mine);
    if (news.length) expectedUntil = 0;
    showTyping(answer.typing);
    at("suggestions").hidden = entries.size > 0;
    if (wasAtEnd) scrollToEnd();
    else if (news.length && isLoaded) at("jump").hidden = false;
    if (news.length && isLoaded) tellParent("message");
    isLoaded = true;
  }

  /** Whether it was not known before. */
  function receiveMessage(message) {
    lastId = Math.max(lastId, message.id);
    const id = message.client_id || `ledger-${message.id}`;
    const known = entries.get(id);
    storage.removeItem(outboxName(id));
    if (known?.state === "stored") return false;
    const entry = known ?? { clientId: id };
    Object.assign(entry, { mine: message.mine, text: message.text, at: Date.parse(message.at), ledgerId: message.id });
    entry.choices = message.choices ?? [];
    entry.state = "stored";
    if (known) replace(entry);
    else add(entry);
    return !known;
  }

  // --- showing ------------------------------------------------------------------------------------------------------

  function add(entry) {
    entry.sequence = ++sequence;
    entry.node = makeNode(entry);
    entries.set(entry.clientId, entry);
    place(entry);
  }

  function replace(entry) {
    const before = entry.node;
    entry.node = makeNode(entry);
    entry.node.classList.remove("fresh");
    before.replaceWith(entry.node);
    place(entry);
  }

  const isPending = (entry) => entry.state !== "stored";

  const compare = (one, other) =>
    isPending(one) - isPending(other) ||
    (isPending(one) ? one.sequence - other.sequence : one.at - other.at || one.ledgerId - other.ledgerId);

  /** Where the ledger's order wants it; most often that is the end, where it is already. */
  function place(entry) {
    const later = [...entries.values()].filter((other) => other !== entry && compare(entry, other) < 0);
    const next = later.length ? later.reduce((first, other) => (compare(other, first) < 0 ? other : first)).node : null;
    if (entry.node.parentNode === null || entry.node.nextSibling !== next) at("messages").insertBefore(entry.node, next);
    arrange();
    showState(entry);
  }

  /** Days above their first messages; messages of one side in quick succession joined. */
  function arrange() {
    let previous = null;
    for (const entry of [...entries.values()].sort(compare)) {
      const isNewDay = !previous || dayOf(previous.at) !== dayOf(entry.at);
      const isJoined = !isNewDay && previous.mine === entry.mine && entry.at - previous.at < JOIN_MS;
      if (isNewDay) entry.node.dataset.day = dayLabel(entry.at);
      else delete entry.node.dataset.day;
      entry.node.classList.toggle("joined", isJoined);
      previous?.node.classList.toggle("continued", isJoined);
      entry.node.classList.remove("continued");
      previous = entry;
    }
    offer(previous);
  }

  let offering = null;

  /** The choices of the last message: once something follows it, they have had their time. */
  function offer(last) {
    offering = last;
    const offered = last && !last.mine ? (last.choices ?? []) : [];
    const shown = [...at("choices").children].map((button) => button.textContent);
    at("choices").hidden = offered.length === 0;
    if (offered.join("\n") !== shown.join("\n")) at("choices").replaceChildren(...offered.map(choiceButton));
  }

  function choiceButton(choice) {
    const button = make("button", "suggestion");
    button.type = "button";
    button.dir = "auto";
    button.textContent = choice;
    button.onclick = () => {
      if (at("choices").contains(document.activeElement)) scroller.focus({ preventScroll: true }); // the button goes
      write(choice, offering.ledgerId);
    };
    return button;
  }

  function makeNode(entry) {
    const node = make("div", `entry fresh ${entry.mine ? "mine" : "theirs"}`);
    const bubble = make("div", "bubble");
    bubble.dir = "auto";
    const author = make("span", "unseen");
    author.textContent = entry.mine ? "You: " : `${document.title}: `;
    bubble.append(author, ...linked(entry.text));
    node.append(bubble, make("div", "meta"));
    return node;
  }

  function showState(entry) {
    const { node, state } = entry;
    node.classList.toggle("waiting", state === "sending" || state === "delayed");
    node.classList.toggle("refused", state === "refused");
    node.classList.toggle("stored", state === "stored" || state === "accepted");
    node.lastChild.replaceChildren(...stateParts(entry));
  }

  function stateParts(entry) {
    if (entry.state === "sending") return ["Sending…"];
    if (entry.state === "delayed") {
      return [entry.problem ? `Not sent yet. ${entry.problem} It is sent then.` : "Not sent yet, trying again…"];
    }
    if (entry.state !== "refused") return [timeNode(entry.at)];
    const change = make("button");
    change.type = "button";
    change.textContent = "Change it";
    change.onclick = () => takeBack(entry);
    return [`Not sent: ${entry.problem}`, change];
  }

  function make(tag, className = "") {
    const node = document.createElement(tag);
    node.className = className;
    return node;
  }

  function timeNode(milliseconds) {
    const node = make("time");
    const date = new Date(milliseconds);
    node.dateTime = date.toISOString();
    node.textContent = date.toLocaleTimeString([], { hour: "2-digit", minute: "2-digit" });
    return node;
  }

  const dayOf = (milliseconds) => new Date(milliseconds).toDateString();

  function dayLabel(milliseconds) {
    const midnight = (time) => new Date(time).setHours(0, 0, 0, 0);
    const days = Math.round((midnight(milliseconds) - midnight(Date.now())) / 86400000);
    if (days === 0) return "Today";
    if (days === -1) return "Yesterday";
    return new Date(milliseconds).toLocaleDateString([], { weekday: "short", day: "numeric", month: "long" });
  }

  /** Text nodes, and links where the text holds web addresses; never markup. */
  function linked(text) {
    const parts = text.split(/(https?:\/\/[^\s<>"]+)/i);
    return parts.flatMap((part, index) => (index % 2 ? link(part) : [part]));
  }

  function link(found) {
    const target = withoutPunctuation(found);
    if (!URL.canParse(target)) return [found];
    const node = make("a");
    node.href = target;
    node.target = "_blank";
    node.rel = "noopener noreferrer nofollow";
    node.textContent = target;
    return [node, found.slice(target.length)];
  }

  /** Without what belongs to the sentence around an address: a bracket stays where the address opened one. */
  function withoutPunctuation(found) {
    let target = found;
    while (/[.,;:!?'’”)\]}]$/.test(target)) {
      const isOpened = target.endsWith(")") && target.split("(").length >= target.split(")").length;
      if (isOpened) break;
      target = target.slice(0, -1);
    }
    return target;
  }

  function showTyping(isDue) {
    if (isDue !== isAnswerDue) at("typing-said").textContent = isDue ? `${document.title} is writing` : "";
    isAnswerDue = isDue;
    at("typing").hidden = !isDue;
  }

  function showConnection(isThere) {
    const text = isThere ? PRESENCE : "No connection, trying again…";
    if (at("presence").textContent !== text) at("presence").textContent = text;
    at("presence").classList.toggle("lost", !isThere);
  }

  const scroller = at("scroller");
  const isAtEnd = () => scroller.scrollHeight - scroller.scrollTop - scroller.clientHeight < 90;

  function scrollToEnd() {
    scroller.scrollTop = scroller.scrollHeight;
    at("jump").hidden = true;
  }

  // --- writing ------------------------------------------------------------------------------------------------------

  const characters = (text) => [...text].length;

  function composerChanged() {
    const wasAtEnd = isAtEnd();
    composer.style.height = "auto";
    composer.style.height = `${composer.scrollHeight + 3}px`;
    const length = composer.value.length > TEXT_LIMIT ? characters(composer.value) : composer.value.length;
    const isTooLong = length > TEXT_LIMIT;
    at("send").disabled = !composer.value.trim() || isTooLong;
    at("hint").textContent = isTooLong
      ? `A message may have ${TEXT_LIMIT.toLocaleString()} characters; this one has ${length.toLocaleString()}.`
      : "";
    if (wasAtEnd) scrollToEnd();
  }

  function submit(event) {
    event.preventDefault();
    if (at("send").disabled) return;
    const text = composer.value;
    composer.value = "";
    composerChanged();
    at("suggestions").hidden = true;
    write(text);
  }

  function keyPressed(event) {
    if (event.key === "Enter" && !event.shiftKey && !event.isComposing) submit(event);
  }

  // --- in a frame on somebody's site --------------------------------------------------------------------------------

  function tellParent(news) {
    if (window.parent !== window) window.parent.postMessage({ channelsHub: news }, "*");
  }

  function startInFrame() {
    at("close").hidden = false;
    at("close").onclick = () => tellParent("close");
    document.addEventListener("keydown", (event) => event.key === "Escape" && tellParent("close"));
    window.addEventListener("message", (event) => {
      if (event.source === window.parent && event.data?.channelsHub === "opened") composer.focus();
    });
  }

  // --- start --------------------------------------------------------------------------------------------------------

  function resume() {
    if (document.hidden) return;
    lastId = 0; // what was sent meanwhile may have a lower id than what is shown already
    wakeSender();
    pollIn(0);
  }

  at("composer").addEventListener("submit", submit);
  composer.addEventListener("input", composerChanged);
  composer.addEventListener("keydown", keyPressed);
  at("jump").addEventListener("click", scrollToEnd);
  scroller.addEventListener("scroll", () => isAtEnd() && (at("jump").hidden = true), { passive: true });
  for (const button of at("suggestions").children) {
    button.addEventListener("click", () => {
      at("suggestions").hidden = true;
      write(button.textContent);
    });
  }
  document.addEventListener("visibilitychange", resume);
  window.addEventListener("online", resume);
  window.addEventListener("resize", () => !at("jump").hidden || scrollToEnd());
  if (window.parent !== window) startInFrame();
  else if (matchMedia("(pointer: fine)").matches) composer.focus(); // elsewhere it would open a keyboard

  for (const { id, text, isChoice = false, below, at: writtenAt } of unsentMessages()) {
    add({ clientId: id, mine: true, text, isChoice, below, at: writtenAt, state: "sending" });
  }
  composerChanged();
  sendWaiting();
  poll();
})();
