import { fail, ok } from '@stox/kernel'
import type { Result } from '@stox/kernel'
import {
  contactOf,
  formatNameAddr,
  formatSipUri,
  newSipRequest,
  parseNameAddr,
  parseRoutes,
  routeRequest,
  withTag,
} from '@stox/sip'
import type { NameAddr, RouteEntry, SipHeaderEntry, SipRequest, SipResponse } from '@stox/sip'

/** A dialog as plain JSON, so that it survives the process. Texts are as they came. @see RFC 3261 §12 */
export interface Dialog {
  readonly callId: string
  readonly localTag: string
  /** Empty: the peer gave none. COMPAT RFC 2543, @see RFC 3261 §12.1.1 */
  readonly remoteTag: string
  /** From of what we send: an address without tag. */
  readonly local: string
  readonly remote: string
  /** The URI of the peer's Contact. */
  readonly remoteTarget: string
  /** Route values in the order of use, as they came. */
  readonly routeSet: readonly string[]
  /** Of the last request we sent. */
  readonly localCSeq: number
  /** Of the last request we took. */
  readonly remoteCSeq: number
}

/** A request, and the URI to locate for it; undefined: the route of the domain it is for. */
export interface OutgoingRequest {
  readonly request: SipRequest
  readonly nextHop: string | undefined
}

export interface DialogRefusal {
  readonly status: 400 | 481 | 500
  readonly detail: string
}

export interface InDialogRequest {
  readonly headers?: readonly SipHeaderEntry[]
  readonly contentType?: string
  readonly body?: string | Uint8Array
}

/** Call-ID and our tag name a dialog before the other tag is known: the key to find a subscription by. */
export const dialogKey = (callId: string, localTag: string): string => `${localTag} ${callId}`

/** The key of the dialog that an incoming request belongs to; undefined when it has no To tag. */
export function dialogKeyOf(request: SipRequest): string | undefined {
  const tag = request.core.to.params.get('tag')
  return tag === undefined ? undefined : dialogKey(request.core.callId, tag)
}

/**
 * The dialog an incoming request creates: SUBSCRIBE at the notifier, the first NOTIFY at the subscriber. In both we are
 * the one who receives, so the route set is the Record-Route as it stands. @see RFC 3261 §12.1.1, RFC 6665 §4.4.1
 */
export function dialogFromRequest(
  request: SipRequest,
  localTag: string,
  localCSeq: number,
): Result<Dialog, DialogRefusal> {
  const contact = contactOf(request.headers)
  if (contact === undefined) return fail({ status: 400, detail: 'no usable Contact' })
  const recorded = parseRoutes(request.headers, 'Record-Route')
  if (!recorded.ok) return fail({ status: 400, detail: `Record-Route: ${recorded.failure.detail}` })
  const { from, to, callId, cseq } = request.core
  return ok({
    callId,
    localTag,
    remoteTag: from.params.get('tag') ?? '',
    local: formatNameAddr(withTag(to, undefined)),
    remote: formatNameAddr(withTag(from, undefined)),
    remoteTarget: formatSipUri(contact.uri),
    routeSet: recorded.value.map((entry) => entry.value),
    localCSeq,
    remoteCSeq: cseq.number,
  })
}

/**
 * The dialog that a 2xx to a request of ours creates: its Record-Route turned round, for we are the one who sent.
 * `localCSeq`: of that request as its owner counts, for it may have been sent again with a password.
 * @see RFC 3261 §12.1.2
 */
export function dialogFromResponse(
  response: SipResponse,
  localCSeq: number,
  usualTarget: string | undefined,
): Result<Dialog, DialogRefusal> {
  const recorded = parseRoutes(response.headers, 'Record-Route')
  if (!recorded.ok) return fail({ status: 400, detail: `Record-Route: ${recorded.failure.detail}` })
  // COMPAT: a 2xx must have a Contact; without it whom we asked is the best we know.
  const contact = contactOf(response.headers)
  const remoteTarget = contact === undefined ? usualTarget : formatSipUri(contact.uri)
  if (remoteTarget === undefined) return fail({ status: 400, detail: 'no usable Contact' })
  const { from, to, callId } = response.core
  return ok({
    callId,
    localTag: from.params.get('tag') ?? '',
    remoteTag: to.params.get('tag') ?? '',
    local: formatNameAddr(withTag(from, undefined)),
    remote: formatNameAddr(withTag(to, undefined)),
    remoteTarget,
    routeSet: recorded.value.map((entry) => entry.value).reverse(),
    localCSeq,
    remoteCSeq: 0,
  })
}

/** The next request of ours. Its CSeq is in the dialog that comes back. @see RFC 3261 §12.2.1.1 */
export function requestInDialog(
  dialog: Dialog,
  method: string,
  content: InDialogRequest,
): { readonly dialog: Dialog; readonly outgoing: OutgoingRequest } {
  const next: Dialog = { ...dialog, localCSeq: dialog.localCSeq + 1 }
  return { dialog: next, outgoing: outgoingInDialog(next, method, next.localCSeq, content) }
}

/** For the 2xx to the INVITE with this CSeq. @see RFC 3261 §13.2.2.4 */
export const ackInDialog = (dialog: Dialog, cseq: number): OutgoingRequest => outgoingInDialog(dialog, 'ACK', cseq, {})

function outgoingInDialog(dialog: Dialog, method: string, cseq: number, content: InDialogRequest): OutgoingRequest {
  const { uri, routes, nextHop } = routeRequest(routeEntries(dialog.routeSet), dialog.remoteTarget)
  const request = newSipRequest({
    method,
    uri,
    from: withTag(storedAddress(dialog.local), dialog.localTag),
    to: withTag(storedAddress(dialog.remote), dialog.remoteTag === '' ? undefined : dialog.remoteTag),
    callId: dialog.callId,
    cseq,
    headers: [...routes.map((route): SipHeaderEntry => ['Route', route]), ...(content.headers ?? [])],
    ...(content.contentType === undefined ? {} : { contentType: content.contentType }),
    ...(content.body === undefined ? {} : { body: content.body }),
  })
  return { request, nextHop }
}

/**
 * Takes a request within the dialog: tags compared exactly, nothing older than what was taken, and the target refreshed
 * (SUBSCRIBE and NOTIFY both refresh it; the route set never changes). @see RFC 3261 §12.2.2
 */
export function receiveInDialog(dialog: Dialog, request: SipRequest): Result<Dialog, DialogRefusal> {
  const { from, to, callId, cseq } = request.core
  if (callId !== dialog.callId || to.params.get('tag') !== dialog.localTag) {
    return fail({ status: 481, detail: 'another dialog' })
  }
  if ((from.params.get('tag') ?? '') !== dialog.remoteTag) return fail({ status: 481, detail: 'another remote tag' })
  if (cseq.number < dialog.remoteCSeq) {
    return fail({ status: 500, detail: `CSeq ${cseq.number} after ${dialog.remoteCSeq}` })
  }
  const contact = contactOf(request.headers)
  const remoteTarget = contact === undefined ? dialog.remoteTarget : formatSipUri(contact.uri)
  return ok({ ...dialog, remoteCSeq: cseq.number, remoteTarget })
}

/** After a restart some requests may have gone out that the stored dialog does not know of; gaps in CSeq are allowed. */
export const RESUME_CSEQ_STEP = 100

export const resumedDialog = (dialog: Dialog): Dialog => ({ ...dialog, localCSeq: dialog.localCSeq + RESUME_CSEQ_STEP })

/** What we have stored was parsed before it was stored. */
export function storedAddress(text: string): NameAddr {
  const address = parseNameAddr(text)
  if (!address.ok) throw new RangeError(`not an address: ${text} (${address.failure.detail})`)
  return address.value
}

function routeEntries(routeSet: readonly string[]): readonly RouteEntry[] {
  return routeSet.map((value) => {
    const { uri } = storedAddress(value)
    return { value, uri: formatSipUri(uri), loose: uri.params.has('lr') }
  })
}
