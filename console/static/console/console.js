"use strict";

/* Times are written in the visitor's own zone until they choose another: console/reader reads this. */
document.cookie = `hub_zone=${Intl.DateTimeFormat().resolvedOptions().timeZone}; path=/; max-age=31536000; samesite=lax`;

document.addEventListener("click", async (event) => {
    const button = event.target.closest("[data-copy]");
    if (!button) return;
    await navigator.clipboard.writeText(document.getElementById(button.dataset.copy).textContent);
    const label = button.textContent;
    button.textContent = button.dataset.copied ?? "✓";
    setTimeout(() => { button.textContent = label; }, 1500);
});

/* A part of a page that changes by itself (data-live: how often to look, in ms) for as long as it says so. What cannot be
   looked at again is marked (data-stale); nobody looks for a page that is not seen. */
async function watch(part) {
    while (part.dataset.live) {
        await new Promise((resolve) => { setTimeout(resolve, Number(part.dataset.live)); });
        if (document.hidden) continue;
        const response = await fetch(location.href, { redirect: "error" }).catch(() => null);
        part.toggleAttribute("data-stale", !response?.ok);
        if (!response?.ok) continue;
        const page = new DOMParser().parseFromString(await response.text(), "text/html");
        const fresh = page.getElementById(part.id);
        if (!fresh) return;
        part.replaceChildren(...fresh.childNodes);
        if (!fresh.dataset.live) delete part.dataset.live;
    }
}

document.addEventListener("DOMContentLoaded", () => {
    for (const part of document.querySelectorAll("section[data-live][id]")) watch(part);
});

document.addEventListener("DOMContentLoaded", () => {
    const part = document.querySelector("[data-reload-ms]");
    if (part) setTimeout(() => location.reload(), Number(part.dataset.reloadMs));
});

/* The search boxes that select2 makes have no name: they get that of the choice that they belong to. */
function nameSearchBoxes() {
    for (const box of document.querySelectorAll(".select2-search__field")) {
        const choice = box.closest(".select2")?.previousElementSibling;
        const label = choice && document.querySelector(`label[for="${choice.id}"]`);
        if (label) box.setAttribute("aria-label", label.textContent.trim());
    }
}

window.addEventListener("load", () => { setTimeout(nameSearchBoxes); });
