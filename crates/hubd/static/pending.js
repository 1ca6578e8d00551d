// Shows how far a start is, as the hub tells it, and goes on when the server is ready.
"use strict";
(() => {
  const bar = document.getElementById("progress");
  const message = document.getElementById("message");
  const list = document.getElementById("events");
  const details = document.getElementById("details");
  if (!bar || !window.EventSource) {
    setTimeout(() => location.reload(), 2000);
    return;
  }
  list.textContent = "";
  const source = new EventSource(bar.dataset.events);
  source.onmessage = (event) => {
    const said = JSON.parse(event.data);
    if (typeof said.progress === "number") {
      bar.value = said.progress;
    }
    if (said.message) {
      message.textContent = said.message;
      const item = document.createElement("li");
      item.textContent = said.message;
      list.append(item);
      details.hidden = false;
    }
    if (said.ready) {
      source.close();
      location.replace(bar.dataset.next || said.url);
    } else if (said.failed) {
      source.close();
      location.replace(bar.dataset.failed);
    }
  };
  // The hub restarts, or the network is gone: the page itself finds out what has become of the server.
  source.onerror = () => {
    source.close();
    setTimeout(() => location.reload(), 2000);
  };
})();
