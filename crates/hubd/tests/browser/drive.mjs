// Drives a real browser through the hub: `node drive.mjs PEERS STORY URL SHOTS [READY]`. Any failure ends it with a status.
import { mkdir, writeFile } from "node:fs/promises";
import { pathToFileURL } from "node:url";

const [peers, story, url, shots, ready] = process.argv.slice(2);
const { chromium } = await import(pathToFileURL(`${peers}/node_modules/playwright-core/index.mjs`));
await mkdir(shots, { recursive: true });

const browser = await chromium.launch({
  executablePath: "/usr/bin/chromium",
  headless: true,
  args: [
    "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-background-networking",
    "--disable-component-update", "--disable-sync",
  ],
});

const PHONE = { width: 390, height: 844 };
const PASSWORD = "correct horse battery";

function check(so, what) {
  if (!so) throw new Error(`not so: ${what}`);
}

async function open(options = {}) {
  const context = await browser.newContext({ viewport: { width: 1280, height: 800 }, baseURL: url, ...options });
  context.setDefaultTimeout(options.patience ?? 30_000);
  const page = await context.newPage();
  // Nothing that the content security policy keeps back, no script that fails.
  page.faults = [];
  page.on("pageerror", (error) => page.faults.push(String(error)));
  page.on("console", (message) => {
    if (message.type() === "error" && /Content.Security.Policy|Uncaught/i.test(message.text())) page.faults.push(message.text());
  });
  return page;
}

async function shot(page, name) {
  await page.screenshot({ path: `${shots}/${name}.png`, fullPage: true });
}

// What a page must be: as wide as the window, readable, sound.
async function look(page, name) {
  await shot(page, name);
  check(page.faults.length === 0, `${name} without faults: ${page.faults}`);
  const found = await page.evaluate(() => {
    const channel = (value) => ((value /= 255) <= 0.04045 ? value / 12.92 : ((value + 0.055) / 1.055) ** 2.4);
    const light = ([r, g, b]) => 0.2126 * channel(r) + 0.7152 * channel(g) + 0.0722 * channel(b);
    const parse = (text) => text.match(/[\d.]+/g).map(Number);
    const behind = (element) => {
      for (let at = element; at; at = at.parentElement) {
        const colour = parse(getComputedStyle(at).backgroundColor);
        if (colour.length === 3 || colour[3] === 1) return colour;
      }
      return [255, 255, 255];
    };
    const faint = [];
    for (const element of document.querySelectorAll("body *")) {
      const own = [...element.childNodes].some((node) => node.nodeType === 3 && node.textContent.trim());
      if (!own || !element.checkVisibility() || element.closest(".unseen, .skip, :disabled")) continue;
      const [a, b] = [light(parse(getComputedStyle(element).color)), light(behind(element))];
      const ratio = (Math.max(a, b) + 0.05) / (Math.min(a, b) + 0.05);
      if (ratio < 4.5) faint.push(`${element.textContent.trim().slice(0, 30)} (${ratio.toFixed(1)})`);
    }
    const small = [...document.querySelectorAll("button, .button")]
      .filter((button) => button.checkVisibility() && button.getBoundingClientRect().height < 24)
      .map((button) => button.textContent.trim());
    return { faint, small, wider: document.documentElement.scrollWidth - window.innerWidth };
  });
  check(found.faint.length === 0, `${name} has contrast: ${found.faint}`);
  check(found.small.length === 0, `${name} has buttons that can be hit: ${found.small}`);
  check(found.wider <= 0, `${name} fits the window: ${found.wider} px too wide`);
}

async function logIn(page, name, password = PASSWORD) {
  await page.goto("/hub/login");
  await page.getByLabel("User name").fill(name);
  await page.getByLabel("Password").fill(password);
  await page.getByRole("button", { name: "Log in" }).click();
}

async function heading(page, text) {
  await page.getByRole("heading", { level: 1, name: text }).waitFor();
}

const stories = {
  // Every page, on a desk, on a phone, in the dark, and without JavaScript.
  async pages() {
    let page = await open();
    await page.goto("/hub/");
    await heading(page, "Log in");
    await look(page, "login");
    await page.keyboard.press("Tab");
    await logIn(page, "alice", "wrong");
    await page.getByRole("alert").waitFor();
    check((await page.getByLabel("User name").inputValue()) === "alice", "the name is kept");
    await look(page, "login-error");
    await logIn(page, "alice");
    await heading(page, "Your server");
    await page.keyboard.press("Tab");
    check((await page.evaluate(() => document.activeElement.textContent)) === "Skip to content", "the first stop skips");
    await look(page, "home");

    await page.getByRole("link", { name: "Tokens" }).click();
    await page.getByLabel("What it is for").fill("my script");
    await page.getByRole("button", { name: "Make the token" }).click();
    check((await page.getByLabel("The new token").inputValue()).length === 64, "the token is shown");
    await look(page, "tokens");
    await page.getByRole("button", { name: "Revoke my script" }).click();
    await page.getByRole("status").waitFor();
    check((await page.getByRole("button", { name: "Revoke my script" }).count()) === 0, "the token is gone");

    await page.getByRole("link", { name: "Password" }).click();
    await look(page, "password");
    await page.getByLabel("Present password").fill(PASSWORD);
    await page.getByLabel("New password", { exact: true }).fill("a much better one");
    await page.getByLabel("New password once more").fill("a much better one");
    await page.getByRole("button", { name: "Change it" }).click();
    await page.getByText("Your password is changed.").waitFor();

    await page.getByRole("link", { name: "Start", exact: true }).click();
    await heading(page, "Start your server");
    await look(page, "spawn");
    await page.getByRole("button", { name: "Start" }).click();
    await heading(page, "The server is starting");
    await page.locator("#events li").first().waitFor();
    await look(page, "pending");
    await page.goto("/hub/home");
    await page.locator(".state.running").waitFor();
    await look(page, "home-running");
    await page.getByRole("button", { name: "Stop" }).click();
    await page.locator(".state.stopped").waitFor();
    await page.goto("/hub/user/alice/lab");
    await look(page, "not-running");
    await page.goto("/hub/error/503?url=%2Fuser%2Falice%2F");
    await look(page, "error");
    await page.getByRole("button", { name: "Log out" }).click();
    await page.getByText("You are logged out.").waitFor();

    page = await open();
    await logIn(page, "root");
    await page.getByRole("link", { name: "Admin" }).click();
    await look(page, "admin");
    await page.getByRole("link", { name: "Next" }).click();
    await page.getByText("Page 2 of").waitFor();
    await page.getByLabel("Name", { exact: true }).fill("student0042");
    await page.getByRole("button", { name: "Search" }).click();
    await page.getByRole("link", { name: "student0042" }).click();
    await look(page, "admin-user");
    await page.getByLabel("physics").check();
    await page.getByRole("button", { name: "Save" }).click();
    await page.getByText("Saved.").waitFor();
    check(await page.getByLabel("physics").isChecked(), "the group is kept");
    await page.getByRole("link", { name: "Groups" }).click();
    await look(page, "admin-groups");
    await page.getByRole("link", { name: "physics" }).click();
    await look(page, "admin-group");
    await page.goto("/hub/admin");
    await page.getByLabel("Names").fill("new.one\nnew.two");
    await page.getByRole("button", { name: "Add" }).click();
    await heading(page, "First-login secrets");
    await look(page, "admin-secrets");
    const secret = await page.locator("code").first().innerText();
    await page.goto("/hub/admin/servers");
    await look(page, "admin-servers");

    page = await open();
    await logIn(page, "new.one", secret);
    await heading(page, "Choose a password");
    await look(page, "first-login");

    for (const [name, options] of [["phone", { viewport: PHONE, hasTouch: true, isMobile: true }], ["dark", { colorScheme: "dark" }]]) {
      page = await open(options);
      await page.goto("/hub/login");
      await look(page, `login-${name}`);
      await logIn(page, "root");
      await heading(page, "Your server");
      for (const path of ["home", "token", "password", "spawn", "admin", "admin/users/alice", "admin/groups", "nothing"]) {
        await page.goto(`/hub/${path}`);
        await look(page, `${path.replaceAll("/", "-")}-${name}`);
      }
    }

    page = await open({ javaScriptEnabled: false });
    await logIn(page, "root");
    await page.getByRole("link", { name: "Start", exact: true }).click();
    await page.getByRole("button", { name: "Start" }).click();
    await heading(page, "The server is starting");
    await shot(page, "pending-no-script");
    // The page asks again by itself, and leads on when the server is ready.
    await page.waitForURL((at) => !at.pathname.startsWith("/hub/spawn-pending"), { waitUntil: "commit" });
    await page.goto("/hub/home");
    await page.locator(".state.running").waitFor();
    await page.getByRole("button", { name: "Stop" }).click();
    await page.locator(".state.stopped").waitFor();
    await page.getByRole("button", { name: "Log out" }).click();
    await page.getByText("You are logged out.").waitFor();
  },

  // What the notebooks run in is being installed, until the file `ready` is there; without JavaScript.
  async installing() {
    for (const [name, options] of [["desk", {}], ["phone", { viewport: PHONE }]]) {
      const page = await open({ javaScriptEnabled: false, ...options });
      await page.goto("/hub/login");
      await page.frameLocator("iframe").getByText("still being installed").waitFor();
      await shot(page, `installing-login-${name}`);
      const [, frame] = page.frames();
      const needs = await page.locator("iframe").evaluate((element) => element.clientHeight);
      const has = await frame.evaluate(() => document.querySelector("main").scrollHeight);
      check(has <= needs, `the notice fits its frame: ${has} in ${needs} px`);
    }
    const waiting = await open({ javaScriptEnabled: false });
    await logIn(waiting, "alice");
    await heading(waiting, "The server is starting");
    await waiting.locator("#message", { hasText: "still being installed" }).waitFor();
    await shot(waiting, "installing-pending");

    const page = await open({ javaScriptEnabled: false });
    await page.goto("/hub/login");
    await page.getByLabel("User name").fill("ali");
    await writeFile(ready, "");
    // Both go on by themselves, and what is typed stays.
    await page.frameLocator("iframe").getByText("installed now").waitFor();
    check((await page.getByLabel("User name").inputValue()) === "ali", "what was typed is kept");
    check(page.faults.length === 0, `no faults: ${page.faults}`);
    await waiting.waitForURL((at) => !at.pathname.startsWith("/hub/spawn-pending"), { waitUntil: "commit" });
  },

  // A person's day: login, a server, a cell in JupyterLab; the admin sees it; logout ends all of it.
  async lab() {
    const patience = 180_000;
    const page = await open({ patience });
    await logIn(page, "alice");
    await page.waitForURL("**/hub/spawn-pending/alice*", { waitUntil: "commit" }).catch(() => {});
    if (page.url().includes("spawn-pending")) await shot(page, "lab-pending").catch(() => {});
    await page.waitForURL("**/user/alice/lab*", { waitUntil: "commit", timeout: patience });
    // JupyterLab drops what is run before its kernel has spoken.
    const channels = page.waitForEvent("websocket", (socket) => socket.url().includes("/channels"));
    await page.locator(".jp-LauncherCard[data-category='Notebook']").first().click();
    await (await channels).waitForEvent("framereceived");
    const cell = page.locator(".jp-Notebook .jp-CodeCell .cm-content").first();
    await cell.click();
    await page.locator(".jp-Notebook-ExecutionIndicator[data-status='idle']").waitFor();
    await page.keyboard.type("sum(range(9)) + 6");
    await page.keyboard.press("Shift+Enter");
    await page.locator(".jp-OutputArea-output", { hasText: "42" }).waitFor();
    await page.screenshot({ path: `${shots}/lab.png` });

    const admin = await open({ patience });
    await logIn(admin, "root");
    await admin.goto("/hub/admin/servers");
    await admin.locator("tbody .state.running").first().waitFor();
    check((await admin.locator("tbody th").allInnerTexts()).includes("alice"), "the admin sees alice's server");
    await look(admin, "lab-admin-servers");

    await page.goto("/hub/home");
    await page.locator(".state.running").waitFor();
    await look(page, "lab-home");
    await page.goto("/hub/logout");
    await page.getByText("You are logged out.").waitFor();
    await page.goto("/user/alice/lab");
    await heading(page, "Log in");

    await admin.goto("/hub/admin/servers");
    await admin.getByRole("button", { name: "Stop the server of alice" }).click();
    await admin.locator("tbody .state.running").first().waitFor({ state: "detached" });
  },
};

try {
  await stories[story]();
} catch (error) {
  console.error(error);
  process.exitCode = 1;
  for (const context of browser.contexts()) {
    for (const [number, page] of context.pages().entries()) {
      console.error(`at ${page.url()}`);
      await page.screenshot({ path: `${shots}/failed-${story}-${number}.png` }).catch(() => {});
    }
  }
} finally {
  await browser.close();
}
