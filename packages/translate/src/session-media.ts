import { bytesOfBase64, fail, ok } from '@stox/kernel'
import type { Result } from '@stox/kernel'
import { SDP_TYPE, formatSdp, formatWarning, parseMediaType, parseSdp } from '@stox/sip'
import type { Sdp, SdpAttribute, SdpMedia, SipRequest } from '@stox/sip'
import type { SipBody } from './message-to-sip.ts'
import { unsupported } from './sip-failure.ts'
import type { SipFailure } from './sip-failure.ts'

/** What our side of a session says of itself. */
export interface SessionMedia {
  /** An address, not a name; IPv6 without brackets. */
  readonly host: string
  /** Not used: the words go where the dialog goes. */
  readonly port: number
  readonly html: boolean
  /** Unique for each session, a number. @see RFC 8866 §5.2 */
  readonly sessionId: string
}

/** COMPAT: the name of the medium with Lync, and with what was before it. @see mapping D.14 item 8 */
const MESSAGE_MEDIA: ReadonlySet<string> = new Set(['message', 'x-ms-message'])

const acceptTypes = (html: boolean): SdpAttribute => ['accept-types', html ? 'text/plain text/html' : 'text/plain']

const sdpOf = ({ host, sessionId }: SessionMedia, media: readonly SdpMedia[]): SipBody => {
  const at = `IN ${host.includes(':') ? 'IP6' : 'IP4'} ${host}`
  const sdp: Sdp = {
    origin: `- ${sessionId} ${sessionId} ${at}`,
    name: 'session',
    connection: at,
    attributes: [],
    media,
  }
  return { contentType: SDP_TYPE, body: formatSdp(sdp) }
}

export const sessionOffer = (own: SessionMedia): SipBody =>
  sdpOf(own, [
    { type: 'message', port: own.port, protocol: 'sip', formats: ['null'], attributes: [acceptTypes(own.html)] },
  ])

const isUsable = ({ type, port, protocol, attributes }: SdpMedia): boolean =>
  MESSAGE_MEDIA.has(type.toLowerCase()) && port !== 0 && protocol.toLowerCase() === 'sip' && takesPlain(attributes)

/** Who says nothing of types takes text. */
function takesPlain(attributes: readonly SdpAttribute[]): boolean {
  const said = attributes.find(([name]) => name === 'accept-types')?.[1]
  return (
    said === undefined ||
    said
      .toLowerCase()
      .split(/\s+/)
      .some((type) => TEXT.has(type))
  )
}
const TEXT: ReadonlySet<string> = new Set(['text/plain', 'text/*', '*'])

/** @see RFC 3261 §20.43: 304 media type not available, 399 anything else. */
const refused = (status: 400 | 488, code: 304 | 399, text: string): SipFailure => ({
  fault: 'sender',
  retry: 'after-change',
  condition: status === 400 ? 'bad-request' : 'not-acceptable',
  status,
  text,
  headers: [['Warning', formatWarning({ code, agent: 'stox', text })]],
  detail: text,
})

/** Our answer to what an INVITE offers, or our offer when it has none; every other medium is refused. @see RFC 3264 §6 */
export function answerOffer(invite: SipRequest, user: string, own: SessionMedia): Result<SipBody, SipFailure> {
  if (invite.body.length === 0) return ok(sessionOffer(own))
  const type = parseMediaType(invite.headers.get('Content-Type') ?? '')
  if (!type.ok || type.value.type !== SDP_TYPE)
    return fail(unsupported('Sessions are described in SDP', [['Accept', SDP_TYPE]]))
  const offer = parseSdp(invite.body)
  if (!offer.ok) return fail(refused(400, 399, `Malformed SDP: ${offer.failure.detail}`))
  const used = offer.value.media.findIndex(isUsable)
  if (used === -1) return fail(refused(488, 304, 'Sessions are for text messages within the dialog alone'))
  const media = offer.value.media.map((one, at): SdpMedia =>
    at === used
      ? { ...one, port: own.port, formats: [user], attributes: [acceptTypes(own.html)] }
      : { ...one, port: 0, attributes: [] },
  )
  return ok(sdpOf(own, media))
}

/** Whether the answer to our offer leaves us anything to say; one that we cannot read is not held against it. */
export function takesWords(contentType: string | undefined, body: Uint8Array): boolean {
  const type = parseMediaType(contentType ?? '')
  const answer = type.ok && type.value.type === SDP_TYPE ? parseSdp(body) : undefined
  return answer?.ok !== true || answer.value.media.length === 0 || answer.value.media.some(isUsable)
}

/**
 * COMPAT: Lync puts the first words into the INVITE, `text/plain; charset=UTF-8;ms-body=<base64>`. Undefined when there
 * are none, or none that we can read: then they come again as a MESSAGE. @see mapping D.14 item 8
 */
export function firstWordsOf(
  invite: SipRequest,
): { readonly contentType: string; readonly body: Uint8Array } | undefined {
  for (const value of invite.headers.all('ms-text-format')) {
    const type = /^\s*(text\/(?:plain|html))\s*(?:;|$)/i.exec(value)?.[1]
    const charset = /;\s*charset="?([A-Za-z0-9_.:-]{1,40})"?\s*(?:;|$)/i.exec(value)?.[1]
    const base64 = /;\s*ms-body=([A-Za-z0-9+/]+={0,2})\s*(?:;|$)/i.exec(value)?.[1]
    const body = base64 === undefined ? undefined : bytesOfBase64(base64)
    if (type !== undefined && body !== undefined)
      return { contentType: charset === undefined ? type : `${type};charset=${charset}`, body }
  }
  return undefined
}
