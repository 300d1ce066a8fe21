import { deviates, notApplicable, section } from './requirement.ts'
import type { Requirement } from './requirement.ts'

const DIALOG = 'the medium is the dialog of the INVITE, as Lync-like servers want it, and not MSRP'

/** Sessions of two, for the domains whose users write in them. */
export const RFC_7573: readonly Requirement[] = [
  ...section('7573-4', 'RFC 7573 §4, from XMPP to SIP', [
    ['invite', 'table', 'A chat that an XMPP user begins is an INVITE in the call of its thread.'],
    ['offer', 'table', 'It offers MSRP.', deviates(DIALOG)],
    ['ack', 'table', 'The 200 is acknowledged.'],
    ['send', 'table', 'The message, and those after it, are SENDs of MSRP.', deviates(`MESSAGE; ${DIALOG}`)],
  ]),
  ...section('7573-5', 'RFC 7573 §5, from SIP to XMPP', [
    ['invite', 'table', 'INVITE is answered by the gateway: XMPP knows no set-up of sessions.'],
    ['answer', 'table', 'It is answered with MSRP.', deviates(`${DIALOG}; an offer of MSRP alone is refused by 488`)],
    ['message', 'table', 'What is said is a message of type chat, with the Call-ID as its thread.'],
    ['reply', 'table', 'What the XMPP user answers goes in the same session.'],
  ]),
  ...section('7573-6', 'RFC 7573 §6, the end', [
    ['gone', 'must', 'Where states of the chat are told, gone is.'],
    ['gone-bye', 'table', 'gone is BYE.'],
    ['bye-gone', 'table', 'BYE is gone.'],
    ['idle', 'may', 'XMPP has no end of a session: after some minutes of silence it is BYE.'],
  ]),
  ...section('7573-7', 'RFC 7573 §7, reports', [
    [
      1,
      'table',
      'Receipts are REPORTs of MSRP.',
      notApplicable('there is no MSRP; reports go as IMDN, as without sessions'),
    ],
  ]),
]
