import { fail, latin1Text, ok, type Result } from '@stox/kernel'
import { DIGIT, TOKEN, isSpace, isToken, parseDigits, runEnd, skipSpace } from './grammar.ts'
import { SipHeaders, knownHeaderAt, rawToText, type Field } from './headers.ts'
import { MAX_CSEQ, reasonOf, type SipCore, type SipMessage, type SipRequest, type SipSyntaxFailure } from './message.ts'
import { nameAddr, takeNameAddr, type NameAddr } from './name-addr.ts'
import { Cursor, NO_PARAMS } from './params.ts'
import { parseUriWithin, type SipUri } from './uri.ts'
import { BRANCH_COOKIE, takeVias, type Via } from './via.ts'

export interface SipLimits {
  readonly maxHeadBytes: number
  readonly maxBodyBytes: number
  readonly maxHeaders: number
}

export const DEFAULT_SIP_LIMITS: SipLimits = { maxHeadBytes: 65_536, maxBodyBytes: 1_048_576, maxHeaders: 256 }

/** A datagram may lack Content-Length and carry more bytes than it says; on a stream the bytes are exactly one message. */
export type SipFraming = 'datagram' | 'stream'

/**
 * Bytes to a message. The start line and the core headers are read strictly, the others when somebody asks.
 * Any bytes give a value or a failure; a request that is wrong but can be answered comes with what the answer needs.
 */
export function parseSipMessage(
  bytes: Uint8Array,
  framing: SipFraming,
  limits: SipLimits = DEFAULT_SIP_LIMITS,
): Result<SipMessage, SipSyntaxFailure> {
  const start = lineBreaksEnd(bytes)
  if (start === bytes.length) return discard('nothing but line breaks')
  const head = decodeHead(bytes, start, limits.maxHeadBytes)
  if (head !== undefined) {
    return new HeadReader(head.text, head.end, limits).finish(bytes, start + head.end + 4, framing)
  }
  if (bytes.length - start > limits.maxHeadBytes) {
    // Its whole lines up to there may do for an answer. @see RFC 3261 §21.5.7
    const text = latin1Text(bytes, start, start + limits.maxHeadBytes)
    const reader = new HeadReader(text, Math.max(0, text.lastIndexOf('\r\n')), limits)
    return reader.tooLarge().finish(bytes, bytes.length, framing)
  }
  if (framing === 'stream') return discard('no end of the headers')
  // A datagram brings nothing more: what is there may do for an answer.
  const text = latin1Text(bytes, start)
  const reader = new HeadReader(text, text.endsWith('\r\n') ? text.length - 2 : text.length, limits)
  return reader.finish(bytes, bytes.length, framing, 'no empty line behind the headers')
}

const discard = (detail: string): { readonly ok: false; readonly failure: SipSyntaxFailure } =>
  fail({ kind: 'sip-syntax', detail, answer: undefined, salvaged: undefined })

/** Line breaks before a message mean nothing. @see RFC 3261 §7.5 */
function lineBreaksEnd(bytes: Uint8Array): number {
  let at = 0
  while (bytes[at] === 13 && bytes[at + 1] === 10) at += 2
  return at
}

const USUAL_HEAD_BYTES = 2048

/** The text from `start` on, one character a byte, and where in it the head's last line ends. Decodes little more than the head. */
export function decodeHead(
  bytes: Uint8Array,
  start: number,
  maxHeadBytes: number,
): { readonly text: string; readonly end: number } | undefined {
  const most = Math.min(bytes.length, start + maxHeadBytes + 4)
  for (const stop of start + USUAL_HEAD_BYTES < most ? [start + USUAL_HEAD_BYTES, most] : [most]) {
    const text = latin1Text(bytes, start, stop)
    const end = text.indexOf('\r\n\r\n')
    if (end !== -1) return { text, end }
  }
  return undefined
}

interface StartLine {
  readonly kind: 'request' | 'response'
  readonly method: string
  readonly uri: string
  readonly status: number
  readonly reason: string
}

const NOBODY: SipUri = {
  scheme: 'sip',
  user: 'anonymous',
  password: undefined,
  host: 'anonymous.invalid',
  port: undefined,
  params: NO_PARAMS,
  headers: undefined,
}

/** Reads one head. The first problem is the one that is answered; reading goes on, so that there is something to answer with. */
class HeadReader {
  readonly #head: string
  readonly #end: number
  readonly #limits: SipLimits
  readonly #fields: Field[] = []
  /** Whether the line or field being read has a CR or LF by itself. */
  #broken = false
  #singlesSeen = 0
  #problem: { readonly status: number; readonly detail: string } | undefined
  readonly #vias: Via[] = []
  #from: NameAddr | undefined
  #to: NameAddr | undefined
  #callId: string | undefined
  #cseq: SipCore['cseq'] | undefined
  #maxForwards: number | undefined
  #contentLength: number | undefined

  constructor(head: string, end: number, limits: SipLimits) {
    this.#head = head
    this.#end = end
    this.#limits = limits
  }

  tooLarge(): this {
    this.#blame(513, 'a head that is too large')
    return this
  }

  finish(
    bytes: Uint8Array,
    bodyStart: number,
    framing: SipFraming,
    problem?: string,
  ): Result<SipMessage, SipSyntaxFailure> {
    const lineEnd = this.#lineEnd(0)
    const start = this.#readStartLine(lineEnd)
    if (start === undefined) return discard(this.#problem?.detail ?? 'no start line')
    this.#readFields(lineEnd + 2)
    if (problem !== undefined) this.#blame(400, problem)
    const core = this.#finishCore(start)
    const length = this.#bodyLength(bytes.length - bodyStart, framing)
    const headers = new SipHeaders(this.#fields)
    if (this.#problem === undefined) {
      const body = bytes.subarray(bodyStart, bodyStart + length)
      return start.kind === 'request'
        ? ok({ kind: 'request', method: start.method, uri: start.uri, headers, body, core })
        : ok({ kind: 'response', status: start.status, reason: rawToText(start.reason), headers, body, core })
    }
    const { status, detail } = this.#problem
    // A response is never answered, nor is an ACK; without a Via nobody knows where to.
    if (start.kind === 'response' || start.method === 'ACK' || this.#vias.length === 0) return discard(detail)
    const salvaged: SipRequest = {
      kind: 'request',
      method: start.method,
      uri: start.uri,
      headers,
      body: bytes.subarray(0, 0),
      core,
    }
    return fail({ kind: 'sip-syntax', detail, answer: { status, reason: reasonFor(status, detail) }, salvaged })
  }

  #blame(status: number, detail: string): undefined {
    this.#problem ??= { status, detail }
    return undefined
  }

  /**
   * The end of the line that starts at `at`: its CR. A CR or LF by itself ends no line, it makes the message wrong.
   * @see RFC 3261 §7
   */
  #lineEnd(at: number): number {
    const head = this.#head
    const lf = head.indexOf('\n', at)
    const cr = head.indexOf('\r', at)
    if (cr !== -1 && cr === lf - 1) return cr
    if (cr === -1 && lf === -1) return this.#end
    this.#broken = true
    const end = head.indexOf('\r\n', at)
    return end === -1 ? this.#end : end
  }

  /** Undefined when nothing can be made of the line. @see RFC 3261 §7.1, §7.2 */
  #readStartLine(end: number): StartLine | undefined {
    const head = this.#head
    if (this.#broken) return this.#blame(400, 'a stray line break in the start line')
    // No method has a '/', so this is a response or nothing.
    if (head.charCodeAt(3) === 47) return this.#readStatusLine(head.slice(0, end))
    const methodEnd = runEnd(head, 0, TOKEN, end)
    if (methodEnd === 0 || head.charCodeAt(methodEnd) !== 32) return this.#blame(400, 'no method in the start line')
    const method = head.slice(0, methodEnd)
    const versionStart = Math.max(head.lastIndexOf(' ', end - 1), methodEnd) + 1
    const version = head.slice(versionStart, end)
    if (version !== 'SIP/2.0' && version.toUpperCase() !== 'SIP/2.0') {
      if (/^SIP\/\d+\.\d+$/i.test(version)) this.#blame(505, `version ${version.slice(0, 16)}`)
      else this.#blame(400, 'no version at the end of the start line')
    }
    const uriEnd = Math.max(versionStart - 1, methodEnd + 1)
    const uri = parseUriWithin(head, methodEnd + 1, uriEnd)
    if (!uri.ok) this.#blame(400, `Request-URI: ${uri.failure.detail}`)
    // A scheme that is not SIP's has no way to go. @see RFC 3261 §8.2.2.1
    else if (uri.value.opaque !== undefined) this.#blame(416, `Request-URI of scheme ${uri.value.scheme.slice(0, 32)}`)
    else if (uri.value.headers !== undefined) this.#blame(400, 'headers in the Request-URI')
    return { kind: 'request', method, uri: head.slice(methodEnd + 1, uriEnd), status: 0, reason: '' }
  }

  #readStatusLine(line: string): StartLine | undefined {
    const found = /^SIP\/2\.0 ([1-6]\d\d)(?: (.*))?$/is.exec(line)
    if (found === null) return this.#blame(400, 'no proper status line')
    return { kind: 'response', method: '', uri: '', status: Number(found[1]), reason: found[2] ?? '' }
  }

  /** One pass over the lines. @see RFC 3261 §7.3.1 */
  #readFields(start: number): void {
    const head = this.#head
    const stop = this.#end
    for (let at = start; at < stop;) {
      this.#broken = false
      let end = this.#lineEnd(at)
      const nameEnd = runEnd(head, at, TOKEN, end)
      const colon = skipSpace(head, nameEnd, end)
      const valueStart = skipSpace(head, colon + 1, end)
      const valueEnd = trimmedEnd(head, valueStart, end)
      let raw = head.slice(valueStart, valueEnd)
      while (end < stop && isSpace(head.charCodeAt(end + 2))) {
        const next = this.#lineEnd(end + 2)
        const more = trimmed(head, end + 2, next)
        if (more !== '') raw = raw === '' ? more : `${raw} ${more}`
        end = next
      }
      if (this.#fields.length >= this.#limits.maxHeaders) return this.#blame(400, 'too many headers')
      if (this.#broken) this.#blame(400, 'a stray line break')
      else if (nameEnd === at || head.charCodeAt(colon) !== 58) this.#blame(400, 'a line that is no header')
      else this.#take(at, nameEnd, raw, raw.length === valueEnd - valueStart ? valueStart : undefined)
      at = end + 2
    }
  }

  /** `at` is where the value lies in the head when it is in one piece: read there, it is read faster. */
  #take(nameStart: number, nameEnd: number, raw: string, at: number | undefined): void {
    const known = knownHeaderAt(this.#head, nameStart, nameEnd)
    if (known === undefined) {
      const name = this.#head.slice(nameStart, nameEnd)
      this.#fields.push({ key: name.toLowerCase(), name, raw })
      return
    }
    if ((this.#singlesSeen & known.singleBit) !== 0) {
      this.#blame(400, `${known.name} given twice`)
      return
    }
    this.#singlesSeen |= known.singleBit
    this.#fields.push({ key: known.name, name: known.name, raw })
    switch (known.name) {
      case 'Via':
        return this.#takeVia(this.#cursor(raw, at))
      case 'From':
        this.#from = this.#address('From', raw, at)
        return
      case 'To':
        this.#to = this.#address('To', raw, at)
        return
      case 'Call-ID':
        // COMPAT: `callid` has fewer characters; what is visible and in one piece can be carried.
        if (/^[\x21-\x7e]+$/.test(raw)) this.#callId = raw
        else this.#blame(400, 'no proper Call-ID')
        return
      case 'CSeq':
        return this.#takeCSeq(raw)
      case 'Max-Forwards':
        this.#maxForwards = parseDigits(raw, 255)
        if (this.#maxForwards === undefined) this.#blame(400, 'no proper Max-Forwards')
        return
      case 'Content-Length':
        this.#contentLength = parseDigits(raw, Number.MAX_SAFE_INTEGER)
        if (this.#contentLength === undefined) this.#blame(400, 'no proper Content-Length')
        return
      default:
    }
  }

  #cursor(raw: string, at: number | undefined): Cursor {
    return at === undefined ? new Cursor(raw) : new Cursor(this.#head, at, at + raw.length)
  }

  #takeVia(cursor: Cursor): void {
    const problem = takeVias(cursor, this.#vias)
    if (problem !== undefined) this.#blame(400, problem)
  }

  #address(name: string, raw: string, at: number | undefined): NameAddr | undefined {
    const text = rawToText(raw)
    const parsed = takeNameAddr(text === raw ? this.#cursor(raw, at) : new Cursor(text))
    if (parsed.ok) return parsed.value
    this.#blame(400, `${name}: ${parsed.failure.detail}`)
    return undefined
  }

  /** `1*DIGIT LWS Method`, the number below 2^31. @see RFC 3261 §8.1.1.5 */
  #takeCSeq(raw: string): void {
    const digits = runEnd(raw, 0, DIGIT)
    const number = parseDigits(raw.slice(0, digits), MAX_CSEQ)
    const method = raw.slice(skipSpace(raw, digits))
    if (number !== undefined && isSpace(raw.charCodeAt(digits)) && isToken(method)) this.#cseq = { number, method }
    else this.#blame(400, 'no proper CSeq')
  }

  #finishCore(start: StartLine): SipCore {
    const top = this.#vias[0]
    if (top === undefined) this.#blame(400, 'no Via')
    else if (isOnlyCookie(top.params.get('branch'))) {
      this.#blame(400, 'a branch that is only the cookie')
    }
    if (this.#from === undefined) this.#blame(400, 'no From')
    if (this.#to === undefined) this.#blame(400, 'no To')
    if (this.#callId === undefined) this.#blame(400, 'no Call-ID')
    if (this.#cseq === undefined) this.#blame(400, 'no CSeq')
    else if (start.kind === 'request' && this.#cseq.method !== start.method) {
      this.#blame(400, 'the method of CSeq is not the method')
    }
    return {
      vias: this.#vias,
      from: this.#from ?? nameAddr(NOBODY),
      to: this.#to ?? nameAddr(NOBODY),
      callId: this.#callId ?? '',
      cseq: this.#cseq ?? { number: 0, method: start.method },
      maxForwards: this.#maxForwards,
    }
  }

  /** @see RFC 3261 §18.3 */
  #bodyLength(available: number, framing: SipFraming): number {
    const length = this.#contentLength
    if (length === undefined) {
      if (framing === 'stream') this.#blame(400, 'no Content-Length')
      return available
    }
    if (length > this.#limits.maxBodyBytes) this.#blame(513, 'a body that is too large')
    else if (length > available) this.#blame(400, 'a body shorter than Content-Length')
    return length
  }
}

const isOnlyCookie = (branch: string | undefined): boolean =>
  branch?.length === BRANCH_COOKIE.length && branch.toLowerCase() === BRANCH_COOKIE.toLowerCase()

/** Where the text between ends when the spaces at its end do not count. */
function trimmedEnd(text: string, start: number, end: number): number {
  let to = end
  while (to > start && isSpace(text.charCodeAt(to - 1))) to -= 1
  return to
}

/** The text between, without the spaces around it. */
function trimmed(text: string, start: number, end: number): string {
  let from = start
  while (from < end && isSpace(text.charCodeAt(from))) from += 1
  return text.slice(from, trimmedEnd(text, from, end))
}

/** For 400 the reason phrase says what is wrong, as RFC 3261 §21.4.1 asks; `detail` holds nothing of the peer's but names. */
const reasonFor = (status: number, detail: string): string =>
  status === 400 ? `${reasonOf(status)} (${detail.slice(0, 80)})` : reasonOf(status)
