// Reads and writes mail in a browser: node page.mjs URL CHROMIUM EVIL SUITE... With SHOTS=FOLDER it takes pictures.
// Exits with 1 and says what is wrong.
import { browser, faults } from "./kit.mjs";

for (const suite of process.argv.slice(5)) {
	try {
		await (await import(`./${suite}.mjs`))[suite]();
	} catch (e) {
		faults.push(`${suite}: ${e.stack}`);
	}
}
await browser.close();
if (faults.length > 0) {
	console.error(faults.join("\n"));
	process.exit(1);
}
