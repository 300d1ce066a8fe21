import { fail, latin1Text, ok, type Result } from '@stox/kernel'
import { isAll, isSpace, isToken, parseDigits, skipSpace, DIGIT, TOKEN, runEnd } from './grammar.ts'
import { SipHeaders, knownHeader, rawToText, type Field } from './headers.ts'
import { MAX_CSEQ, reasonOf, type SipCore, type SipMessage, type SipRequest, type SipSyntaxFailure } from './message.ts'
import { nameAddr, parseNameAddr, type NameAddr } from './name-addr.ts'
import { NO_PARAMS } from './params.ts'
import { parseSipUri, type SipUri } from './uri.ts'
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
  const head = decodeHead(bytes, start, limits.maxHeadBytes)
  if (head === undefined) return discard(start === bytes.length ? 'nothing but line breaks' : 'no end of the headers')
  return new HeadReader(head.text, head.end, limits).finish(bytes, start + head.end + 4, framing)
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

  finish(bytes: Uint8Array, bodyStart: number, framing: SipFraming): Result<SipMessage, SipSyntaxFailure> {
    const lineEnd = this.#lineEnd(0)
    const start = this.#readStartLine(this.#head.slice(0, lineEnd))
    if (start === undefined) return discard(this.#problem?.detail ?? 'no start line')
    this.#readFields(lineEnd + 2)
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

  #blame(status: number, detail: string): void {
    this.#problem ??= { status, detail }
  }

  /**
   * The end of the line that starts at `at`: its CR. A CR or LF by itself ends no line, it makes the message wrong.
   * @see RFC 3261 §7
   */
  #lineEnd(at: number): number {
    const head = this.#head
    const lf = head.indexOf('\n', at)
    if (lf === -1) return this.#end
    const cr = head.indexOf('\r', at)
    if (cr === lf - 1) return cr
    this.#broken = true
    const end = head.indexOf('\r\n', at)
    return end === -1 ? this.#end : end
  }

  /** Undefined when nothing can be made of the line. @see RFC 3261 §7.1, §7.2 */
  #readStartLine(line: string): StartLine | undefined {
    if (this.#broken) {
      this.#blame(400, 'a stray line break in the start line')
      return undefined
    }
    if (/^SIP\//i.test(line)) return this.#readStatusLine(line)
    const first = line.indexOf(' ')
    const last = line.lastIndexOf(' ')
    const method = line.slice(0, Math.max(first, 0))
    if (!isToken(method)) {
      this.#blame(400, 'no method in the start line')
      return undefined
    }
    const uri = line.slice(first + 1, Math.max(last, first + 1))
    const version = last > first ? line.slice(last + 1) : ''
    if (version !== 'SIP/2.0' && version.toUpperCase() !== 'SIP/2.0') {
      if (/^SIP\/\d+\.\d+$/i.test(version)) this.#blame(505, `version ${version.slice(0, 16)}`)
      else this.#blame(400, 'no version at the end of the start line')
    }
    const parsed = parseSipUri(uri)
    if (!parsed.ok) this.#blame(400, `Request-URI: ${parsed.failure.detail}`)
    // A scheme that is not SIP's has no way to go. @see RFC 3261 §8.2.2.1
    else if (parsed.value.opaque !== undefined)
      this.#blame(416, `Request-URI of scheme ${parsed.value.scheme.slice(0, 32)}`)
    else if (parsed.value.headers !== undefined) this.#blame(400, 'headers in the Request-URI')
    return { kind: 'request', method, uri, status: 0, reason: '' }
  }

  #readStatusLine(line: string): StartLine | undefined {
    const found = /^SIP\/2\.0 ([1-6]\d\d)(?: (.*))?$/is.exec(line)
    if (found === null) {
      this.#blame(400, 'no proper status line')
      return undefined
    }
    return { kind: 'response', method: '', uri: '', status: Number(found[1]), reason: found[2] ?? '' }
  }

  /** One pass over the lines. @see RFC 3261 §7.3.1 */
  #readFields(start: number): void {
    const head = this.#head
    const stop = this.#end
    let colon = start
    for (let at = start; at < stop;) {
      this.#broken = false
      let end = this.#lineEnd(at)
      // Searched again only when passed, so that lines without one do not cost a search each.
      if (colon !== -1 && colon < at) colon = head.indexOf(':', at)
      const name = colon !== -1 && colon < end ? head.slice(at, trimmedEnd(head, at, colon)) : ''
      let raw = name === '' ? '' : trimmed(head, colon + 1, end)
      while (end < stop && isSpace(head.charCodeAt(end + 2))) {
        const next = this.#lineEnd(end + 2)
        const more = trimmed(head, end + 2, next)
        if (more !== '') raw = raw === '' ? more : `${raw} ${more}`
        end = next
      }
      if (this.#fields.length >= this.#limits.maxHeaders) return this.#blame(400, 'too many headers')
      if (this.#broken) this.#blame(400, 'a stray line break')
      else if (name === '') this.#blame(400, 'a line that is no header')
      else this.#take(name, raw)
      at = end + 2
    }
  }

  #take(name: string, raw: string): void {
    const known = knownHeader(name)
    if (known === undefined) {
      if (!isToken(name)) return this.#blame(400, 'a line that is no header')
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
        return this.#takeVia(raw)
      case 'From':
        this.#from = this.#address('From', raw)
        return
      case 'To':
        this.#to = this.#address('To', raw)
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

  #takeVia(raw: string): void {
    const problem = takeVias(raw, this.#vias)
    if (problem !== undefined) this.#blame(400, problem)
  }

  #address(name: string, raw: string): NameAddr | undefined {
    const parsed = parseNameAddr(rawToText(raw))
    if (parsed.ok) return parsed.value
    this.#blame(400, `${name}: ${parsed.failure.detail}`)
    return undefined
  }

  /** `1*DIGIT LWS Method`, the number below 2^31. @see RFC 3261 §8.1.1.5 */
  #takeCSeq(raw: string): void {
    const digits = runEnd(raw, 0, DIGIT)
    const number = parseDigits(raw.slice(0, digits), MAX_CSEQ)
    const method = raw.slice(skipSpace(raw, digits))
    if (number === undefined || !isSpace(raw.charCodeAt(digits)) || !isAll(method, TOKEN))
      this.#blame(400, 'no proper CSeq')
    else this.#cseq = { number, method }
  }

  #finishCore(start: StartLine): SipCore {
    const top = this.#vias[0]
    if (top === undefined) this.#blame(400, 'no Via')
    else if (top.params.get('branch')?.toLowerCase() === BRANCH_COOKIE.toLowerCase()) {
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
