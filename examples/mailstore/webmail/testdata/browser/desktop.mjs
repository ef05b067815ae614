import { readFile } from "node:fs/promises";
import { check, login, named, open, row, shot } from "./kit.mjs";

// Written, sent with an attachment, pushed, read, answered, flagged, found and filed, without a reload.
export async function desktop() {
	const page = await open(1280, 800, "light");
	await named(page, "login");
	await login(page, "wrong");
	await page.waitForFunction(() => document.querySelector("#login-error").textContent === "Name or password is wrong.");
	await login(page);
	await page.waitForSelector("#live[data-state=live]");
	await row(page, "<b>bold</b>").waitFor();
	for (const pane of ["#boxes", "#list", "#reader"]) check(await page.locator(pane).isVisible(), `${pane} is not shown`);
	check((await page.locator("#messages b, #messages script").count()) === 0, "markup of a subject became markup of the page");

	await page.keyboard.press("c");
	await page.fill("#to", "Alice A. <alice@example.com>");
	await page.fill("#subject", "Grüße to myself");
	await page.fill("#text", "See https://example.com/a?b=c.\nBye");
	await page.setInputFiles("#attach", { name: "ä b.txt", mimeType: "text/plain", buffer: Buffer.from("attached") });
	await page.waitForFunction(() => document.querySelector("#files").textContent.includes("8 bytes)") && !document.querySelector("#files").textContent.includes("uploading"));
	await named(page, "compose");
	await shot(page, "compose");
	await page.click("#send");
	await row(page, "Grüße to myself").waitFor();
	await page.waitForFunction(() => document.querySelector("#news").textContent.includes("New message from"));
	check(page.loads === 0, "the page was loaded again");

	await row(page, "Grüße to myself").focus();
	await page.keyboard.press("Enter");
	await page.waitForSelector("#reader .text");
	check((await page.textContent("#reader .text")).includes("Bye"), "the text is not shown");
	check((await page.getAttribute("#reader .text a", "href")) === "https://example.com/a?b=c", "an address in a text is no link to it");
	const [download] = await Promise.all([page.waitForEvent("download"), page.click(".files button")]);
	check(download.suggestedFilename() === "ä b.txt" && (await readFile(await download.path(), "utf8")) === "attached", `attachment ${download.suggestedFilename()}`);
	await page.waitForFunction(() => document.querySelector("#messages [aria-current]") && !document.querySelector("#messages [aria-current].unread"));
	await named(page, "reader");
	await shot(page, "desktop");

	await page.keyboard.press("r");
	await page.waitForSelector("#compose[open]");
	check((await page.inputValue("#subject")) === "Re: Grüße to myself" && (await page.inputValue("#text")).includes("> Bye"), "a reply quotes nothing");
	await page.fill("#to", "nobody");
	await page.click("#send");
	await page.waitForFunction(() => document.querySelector("#compose-error").textContent.includes("nobody is not an address"));
	await page.fill("#to", "alice@example.com");
	await page.keyboard.press("Escape");
	await page.waitForSelector("#compose:not([open])", { state: "attached" });
	await page.click("[data-box=Drafts]");
	await row(page, "Re: Grüße to myself").waitFor();
	await page.click("[data-box=INBOX]").catch(() => page.click("#boxes button >> nth=0"));
	await row(page, "Re: Grüße to myself").waitFor({ state: "detached" }); // the list is that of the inbox

	await row(page, "Grüße to myself").click();
	await page.waitForSelector("#reader .text");
	await page.keyboard.press("s");
	await page.waitForSelector("#messages [aria-label=flagged]");
	await page.keyboard.press("/");
	await page.keyboard.type("Grüße");
	await page.keyboard.press("Enter");
	await page.waitForFunction(() => document.querySelector("#list-title").textContent.includes("Found") && document.querySelectorAll("#messages li").length === 3);
	await page.fill("#search", "");
	await page.keyboard.press("Enter");
	await page.waitForFunction(() => document.querySelectorAll("#messages li").length > 20);
	await row(page, "Grüße to myself").click();
	await page.waitForSelector("#reader .text");
	await page.keyboard.press("e");
	await page.waitForFunction(() => ![...document.querySelectorAll("#messages .subject")].some((s) => s.textContent === "Grüße to myself"));
	await page.click("[data-box=Archive]");
	await row(page, "Grüße to myself").waitFor();
	await page.click("#boxes button >> nth=0");
	await row(page, "attack: script").waitFor();
	await page.locator("#messages button").first().focus();
	await page.keyboard.press("j");
	await page.keyboard.press("j");
	await page.keyboard.press("k");
	check(await page.evaluate(() => document.activeElement === document.querySelectorAll("#messages button")[1]), "j and k move the focus elsewhere");
	await page.keyboard.press("?");
	await page.waitForSelector("#help[open]");
	await page.keyboard.press("Escape");
	await page.context().close();
}
