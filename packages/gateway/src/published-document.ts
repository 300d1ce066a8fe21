import type { Hashes } from '@stox/kernel'
import { PIDF_TYPE, formatPidf, parseSipUri } from '@stox/sip'
import type { Watcher } from '@stox/sip'
import type { PublishedDocument } from '@stox/sip-engine'
import { presenceToPidf, sipUriToJid } from '@stox/translate'
import type { GruuPolicy } from '@stox/translate'
import { bareJid } from '@stox/xmpp'
import type { Jid } from '@stox/xmpp'
import { fingerprintOf, mergedPresence } from './merged-presence.ts'
import type { XmppWatch } from './watch-xmpp-state.ts'

/** What an XMPP user shows to those whom he has approved, as one document for all of them. */
export function publishedDocument(
  contact: Jid,
  approved: readonly XmppWatch[],
  { hashes, nowMs, gruu }: { readonly hashes: Hashes; readonly nowMs: number; readonly gruu: GruuPolicy },
): PublishedDocument {
  if (approved.length === 0) return { kind: 'nothing' }
  if (approved.some(({ resuming }) => resuming)) return { kind: 'unknown' }
  const available = mergedPresence(approved)
  if (available === undefined) return { kind: 'unknown' }
  if (available.length === 0) return { kind: 'nothing' }
  return {
    kind: 'document',
    contentType: PIDF_TYPE,
    fingerprint: fingerprintOf(available, hashes),
    body: () => formatPidf(presenceToPidf({ contact, available, gone: [], atMs: nowMs, gruu }, hashes)),
  }
}

/** Whom the server lets see him although he has not approved; `mayDecide`: of the users of this domain the server may. */
export const shownUnapproved = (
  watchers: readonly Watcher[],
  isApproved: (watcher: Jid) => boolean,
  mayDecide: (domain: string | undefined) => boolean,
): string | undefined =>
  watchers.find(({ status, uri }) => {
    if (status !== 'active') return false
    const watcher = watcherJid(uri)
    return !mayDecide(watcher?.domain) && (watcher === undefined || !isApproved(watcher))
  })?.uri

/** Undefined: no user that XMPP could name. */
export function watcherJid(text: string): Jid | undefined {
  const uri = parseSipUri(text)
  if (!uri.ok) return undefined
  const jid = sipUriToJid(uri.value)
  return jid.ok && jid.value.local !== undefined ? bareJid(jid.value) : undefined
}
