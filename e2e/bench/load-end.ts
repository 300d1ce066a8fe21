/** Who is told what became of a message. */
export interface LoadListener {
  /** It came out at the far end. */
  arrived(seq: number): void
  /** Its sender was told that it was taken. */
  accepted(seq: number): void
  /** Its sender was told that it failed; with `retryAfterS` it may come again after that. */
  failed(seq: number, why: string, retryAfterS?: number): void
}

/** One end of a path under load: messages go in here, or come out, or both. */
export interface LoadEnd {
  listener: LoadListener
  /** Notes a message to be sent; `flush` sends what was noted. */
  send(seq: number): void
  flush(): void
  close(): Promise<void>
}

/** Messages are spread over so many pairs of people. */
export const PEOPLE = 100

/** The text of message `seq`: a number to know it by, and filling. */
export const textOf = (seq: number): string => `m:${seq}:${FILLING}`
const FILLING = 'x'.repeat(64)

/** The number after `m:`, or -1. */
export function seqIn(text: string, from = 0): number {
  const start = text.indexOf('m:', from)
  if (start < 0) return -1
  let seq = 0
  for (let at = start + 2; ; at += 1) {
    const digit = text.charCodeAt(at) - 48
    if (digit >= 0 && digit <= 9) seq = seq * 10 + digit
    else return at > start + 2 && text[at] === ':' ? seq : -1
  }
}

export const nobody: LoadListener = { arrived: () => undefined, accepted: () => undefined, failed: () => undefined }
