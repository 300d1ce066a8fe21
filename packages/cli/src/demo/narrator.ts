/** Prints the conversation as it happens. Colours only on a terminal. */
export class Narrator {
  readonly #write: (line: string) => void
  readonly #colour: boolean

  constructor(write: (line: string) => void, colour: boolean) {
    this.#write = write
    this.#colour = colour
  }

  title(text: string): void {
    this.#write(`\n${this.#paint('1', text)}`)
  }

  /** One thing that happened, at one place: `xmpp`, `sip`, `gateway` or `demo`. */
  line(place: string, what: string, text: string): void {
    this.#write(`  ${this.#paint('2', place.padEnd(8))}${what.padEnd(13)}${oneLine(text)}`)
  }

  outcome(good: boolean, text: string): void {
    this.#write(`  ${this.#paint(good ? '32' : '31', `${good ? '✓' : '✗'} ${text}`)}`)
  }

  plain(text = ''): void {
    this.#write(text)
  }

  #paint(code: string, text: string): string {
    return this.#colour ? `\u001B[${code}m${text}\u001B[0m` : text
  }
}

const oneLine = (text: string): string => text.replaceAll('\r\n', '⏎').replaceAll('\n', '⏎')
