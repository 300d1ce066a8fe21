import { utf8Bytes } from '@stox/kernel'
import { headerText, isCallId, isToken } from './grammar.ts'
import { newField, newFields, plainField, SipHeaders } from './headers.ts'
import { formatNameAddr, withTag, type NameAddr } from './name-addr.ts'
import type { Via } from './via.ts'

/** The headers no message can do without, read strictly when it arrives. @see RFC 3261 §8.1.1 */
export interface SipCore {
  /** Topmost first. Empty only in a request of ours that no transport has taken yet. */
  readonly vias: readonly Via[]
  readonly from: NameAddr
  readonly to: NameAddr
  readonly callId: string
  readonly cseq: { readonly number: number; readonly method: string }
  /** Undefined when absent: take 70. */
  readonly maxForwards: number | undefined
}

export interface SipRequest {
  readonly kind: 'request'
  readonly method: string
  /** As written; `parseSipUri` has accepted it. */
  readonly uri: string
  readonly headers: SipHeaders
  readonly body: Uint8Array
  readonly core: SipCore
}

export interface SipResponse {
  readonly kind: 'response'
  readonly status: number
  readonly reason: string
  readonly headers: SipHeaders
  readonly body: Uint8Array
  readonly core: SipCore
}

export type SipMessage = SipRequest | SipResponse

export type SipHeaderEntry = readonly [name: string, value: string]

export interface SipAnswer {
  readonly status: number
  readonly reason: string
  readonly headers?: readonly SipHeaderEntry[]
}

/** Why bytes are no SIP message we take. `answer` and `salvaged` are both there or both absent: absent means discard. */
export interface SipSyntaxFailure {
  readonly kind: 'sip-syntax'
  readonly detail: string
  readonly answer: SipAnswer | undefined
  /** As much of the request as `newSipResponse` needs: its top Via can be read; other parts of `core` may be stand-ins. */
  readonly salvaged: SipRequest | undefined
}

export interface NewSipRequest {
  readonly method: string
  readonly uri: string
  readonly from: NameAddr
  readonly to: NameAddr
  readonly callId: string
  readonly cseq: number
  readonly maxForwards?: number
  readonly headers?: readonly SipHeaderEntry[]
  readonly contentType?: string
  readonly body?: string | Uint8Array
}

export interface NewSipResponseOptions {
  /** Put on the To when the request has no tag there and the status is not 100. */
  readonly toTag?: string
  readonly headers?: readonly SipHeaderEntry[]
  readonly contentType?: string
  readonly body?: string | Uint8Array
}

const NO_BODY = new Uint8Array(0)
const bodyBytes = (body: string | Uint8Array | undefined): Uint8Array =>
  body === undefined ? NO_BODY : typeof body === 'string' ? utf8Bytes(body) : body

/** @see RFC 3261 §8.1.1.5 */
export const MAX_CSEQ = 2 ** 31 - 1

/** A request without Via: the transport adds it (`withVia`). Throws a RangeError for what no request may hold. */
export function newSipRequest(input: NewSipRequest): SipRequest {
  const { method, uri, from, to, callId, cseq, maxForwards = 70 } = input
  if (!isToken(method)) throw new RangeError(`not a method: ${JSON.stringify(method)}`)
  if (!isCallId(callId)) throw new RangeError(`not a Call-ID: ${JSON.stringify(callId)}`)
  if (!Number.isInteger(cseq) || cseq < 0 || cseq > MAX_CSEQ) throw new RangeError(`not a CSeq: ${cseq}`)
  const entries: SipHeaderEntry[] = [...(input.headers ?? [])]
  if (input.contentType !== undefined) entries.push(['Content-Type', input.contentType])
  const core = [
    plainField('Max-Forwards', String(maxForwards)),
    newField('From', formatNameAddr(from)),
    newField('To', formatNameAddr(to)),
    plainField('Call-ID', callId),
    plainField('CSeq', `${cseq} ${method}`),
  ]
  return {
    kind: 'request',
    method,
    uri,
    headers: new SipHeaders([...core, ...newFields(entries)]),
    body: bodyBytes(input.body),
    core: { vias: [], from, to, callId, cseq: { number: cseq, method }, maxForwards },
  }
}

/** Requests that may start a dialog, whose answer then carries the route. @see RFC 3261 §12.1.1, RFC 6665 §4.4, RFC 3515 */
const DIALOG_METHODS: ReadonlySet<string> = new Set(['INVITE', 'SUBSCRIBE', 'NOTIFY', 'REFER'])

/**
 * The response to a request: Via, From, To, Call-ID, CSeq as they came, Record-Route where a dialog may start.
 * Works on a salvaged request too. @see RFC 3261 §8.2.6.2
 */
export function newSipResponse(
  request: SipRequest,
  status: number,
  reason: string = reasonOf(status),
  options: NewSipResponseOptions = {},
): SipResponse {
  const { core } = request
  const withRoute = status > 100 && status < 300 && DIALOG_METHODS.has(request.method)
  let headers = SipHeaders.empty.appendFrom(
    request.headers,
    withRoute ? COPIED_WITH_ROUTE : status === 100 ? COPIED_INTO_100 : COPIED,
  )
  let to = core.to
  if (options.toTag !== undefined && status !== 100 && !to.params.has('tag')) {
    if (!isToken(options.toTag)) throw new RangeError(`not a tag: ${JSON.stringify(options.toTag)}`)
    to = withTag(to, options.toTag)
    headers = headers.withEdited('To', (raw) => `${raw};tag=${options.toTag}`)
  }
  if (options.headers !== undefined) headers = headers.appendAll(options.headers)
  if (options.contentType !== undefined) headers = headers.append('Content-Type', options.contentType)
  return {
    kind: 'response',
    status,
    reason: headerText(reason),
    headers,
    body: bodyBytes(options.body),
    core: { ...core, to, maxForwards: undefined },
  }
}

const COPIED = ['Via', 'From', 'To', 'Call-ID', 'CSeq']
const COPIED_WITH_ROUTE = [...COPIED, 'Record-Route']
const COPIED_INTO_100 = [...COPIED, 'Timestamp']

/** The reason phrases of the registry of response codes. */
export const REASONS: Readonly<Record<number, string>> = {
  100: 'Trying',
  180: 'Ringing',
  181: 'Call Is Being Forwarded',
  182: 'Queued',
  183: 'Session Progress',
  199: 'Early Dialog Terminated',
  200: 'OK',
  202: 'Accepted',
  204: 'No Notification',
  300: 'Multiple Choices',
  301: 'Moved Permanently',
  302: 'Moved Temporarily',
  305: 'Use Proxy',
  380: 'Alternative Service',
  400: 'Bad Request',
  401: 'Unauthorized',
  402: 'Payment Required',
  403: 'Forbidden',
  404: 'Not Found',
  405: 'Method Not Allowed',
  406: 'Not Acceptable',
  407: 'Proxy Authentication Required',
  408: 'Request Timeout',
  410: 'Gone',
  412: 'Conditional Request Failed',
  413: 'Request Entity Too Large',
  414: 'Request-URI Too Long',
  415: 'Unsupported Media Type',
  416: 'Unsupported URI Scheme',
  417: 'Unknown Resource-Priority',
  420: 'Bad Extension',
  421: 'Extension Required',
  422: 'Session Interval Too Small',
  423: 'Interval Too Brief',
  424: 'Bad Location Information',
  428: 'Use Identity Header',
  429: 'Provide Referrer Identity',
  430: 'Flow Failed',
  433: 'Anonymity Disallowed',
  436: 'Bad Identity Info',
  437: 'Unsupported Credential',
  438: 'Invalid Identity Header',
  439: 'First Hop Lacks Outbound Support',
  440: 'Max-Breadth Exceeded',
  469: 'Bad Info Package',
  470: 'Consent Needed',
  480: 'Temporarily Unavailable',
  481: 'Call/Transaction Does Not Exist',
  482: 'Loop Detected',
  483: 'Too Many Hops',
  484: 'Address Incomplete',
  485: 'Ambiguous',
  486: 'Busy Here',
  487: 'Request Terminated',
  488: 'Not Acceptable Here',
  489: 'Bad Event',
  491: 'Request Pending',
  493: 'Undecipherable',
  494: 'Security Agreement Required',
  500: 'Server Internal Error',
  501: 'Not Implemented',
  502: 'Bad Gateway',
  503: 'Service Unavailable',
  504: 'Server Time-out',
  505: 'Version Not Supported',
  513: 'Message Too Large',
  555: 'Push Notification Service Not Supported',
  580: 'Precondition Failure',
  600: 'Busy Everywhere',
  603: 'Decline',
  604: 'Does Not Exist Anywhere',
  606: 'Not Acceptable',
  607: 'Unwanted',
  608: 'Rejected',
}

const CLASS_REASONS = ['Trying', 'OK', 'Redirected', 'Request Failure', 'Server Failure', 'Global Failure']

/** The phrase of this status, or of its class. */
export const reasonOf = (status: number): string =>
  REASONS[status] ?? CLASS_REASONS[Math.floor(status / 100) - 1] ?? 'Unknown'
