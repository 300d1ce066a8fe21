/** How a SIP server wants to be spoken to, where the RFCs leave a choice. */
export interface SipRules {
  /** Whether a MESSAGE may exceed 1300 bytes: every hop runs over TCP or TLS. @see RFC 3428 §8 */
  readonly congestionSafe: boolean
  /** Largest MESSAGE request towards it where that is so, and largest body taken from it. */
  readonly maxMessageBytes: number
  /** Final response to a MESSAGE that was passed on. @see RFC 3428 §7, RFC 7572 §5 */
  readonly acceptedStatus: 200 | 202
  /** Whether an XMPP resource travels as a `gr` parameter. @see RFC 7247 §6, RFC 5627 */
  readonly gruu: 'raw' | 'off'
  /** Whether P-Asserted-Identity is believed in what it sends and written in what we send. @see RFC 3325 §9.1 */
  readonly assertedIdentity: boolean
  /** Whether a MESSAGE carries a Contact, against RFC 3428 §4. */
  readonly contactInMessage: boolean
  readonly messageMode: MessageMode
}

/** How words go: each as a MESSAGE of its own (`pager`), or within a session that an INVITE opens. @see RFC 3428, RFC 7573 */
export const MESSAGE_MODES = ['pager', 'session'] as const
export type MessageMode = (typeof MESSAGE_MODES)[number]

export const SIP_PROFILE_NAMES = ['generic', 'kamailio', 'lync'] as const
export type SipProfileName = (typeof SIP_PROFILE_NAMES)[number]

/** What each kind of server is known to want; a domain's own settings come first. @see mapping A.5, C.2, C.6, D.14, G.11 */
export const SIP_PROFILES = {
  // By the letter of the RFCs.
  generic: {
    congestionSafe: false,
    maxMessageBytes: 16_384,
    acceptedStatus: 202,
    gruu: 'raw',
    assertedIdentity: false,
    contactInMessage: false,
    messageMode: 'pager',
  },
  // COMPAT: its stock script refuses more than 16384 bytes, and what its own xmpp module passed on it answered 200.
  kamailio: {
    congestionSafe: false,
    maxMessageBytes: 16_384,
    acceptedStatus: 200,
    gruu: 'raw',
    assertedIdentity: false,
    contactInMessage: false,
    messageMode: 'pager',
  },
  // COMPAT: TLS alone, GRUUs as `opaque` and never as `gr`, identities asserted between servers, Contact everywhere; its
  // clients write in sessions only.
  lync: {
    congestionSafe: true,
    maxMessageBytes: 65_536,
    acceptedStatus: 200,
    gruu: 'off',
    assertedIdentity: true,
    contactInMessage: true,
    messageMode: 'session',
  },
} as const satisfies Record<SipProfileName, SipRules>

/** The rules of a domain: what it says itself, and what its profile says of the rest. */
export function sipRulesOf(
  local: { readonly profile: SipProfileName; readonly messages: { readonly mode: MessageMode | null } } & {
    readonly [Rule in Exclude<keyof SipRules, 'messageMode'>]: SipRules[Rule] | null
  },
): SipRules {
  const usual: SipRules = SIP_PROFILES[local.profile]
  return {
    congestionSafe: local.congestionSafe ?? usual.congestionSafe,
    maxMessageBytes: local.maxMessageBytes ?? usual.maxMessageBytes,
    acceptedStatus: local.acceptedStatus ?? usual.acceptedStatus,
    gruu: local.gruu ?? usual.gruu,
    assertedIdentity: local.assertedIdentity ?? usual.assertedIdentity,
    contactInMessage: local.contactInMessage ?? usual.contactInMessage,
    messageMode: local.messages.mode ?? usual.messageMode,
  }
}
