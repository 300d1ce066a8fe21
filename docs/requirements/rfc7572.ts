import { deviates, notApplicable, section } from './requirement.ts'
import type { Requirement } from './requirement.ts'

export const RFC_7572: readonly Requirement[] = [
  ...section('7572-4', 'RFC 7572 §4', [
    [1, 'must', 'A message stanza with a body becomes one SIP MESSAGE request.'],
    [2, 'must', 'Note 1: the bare JID of the sender becomes the URI, its resource the gr of that URI.'],
    [3, 'must', 'Note 2: the type of the stanza has no counterpart.'],
    [4, 'must', 'The MESSAGE has no Contact, as RFC 3428 §4 says.'],
  ]),
  ...section('7572-4t', 'RFC 7572 §4, table 1', [
    ['body', 'table', 'The body is the body of the MESSAGE.'],
    ['subject', 'table', 'subject is Subject.'],
    [
      'thread',
      'table',
      'thread is Call-ID.',
      deviates('as it is where it may stand as a Call-ID; hashed, and remembered, where it may not'),
    ],
    ['from', 'table', 'from is From.'],
    [
      'id',
      'table',
      'id is the transaction identifier.',
      deviates(
        'a branch must be unique in all the world (RFC 3261 §8.1.1.7), and a stanza id is not: each MESSAGE has a branch of its own, and the id comes back with errors and receipts',
      ),
    ],
    ['to', 'table', 'to is the To or the Request-URI.'],
    ['type', 'table', 'type has no counterpart.'],
    ['lang', 'table', 'xml:lang is Content-Language.'],
    ['cseq', 'table', 'CSeq has no counterpart: it grows within a Call-ID.'],
  ]),
  ...section('7572-5', 'RFC 7572 §5', [
    [1, 'must', 'A MESSAGE becomes one message stanza.'],
    [
      2,
      'must',
      'The stanza has no type, or the type normal.',
      deviates(
        'it has the type in which the contact last wrote (RFC 6121 §5.2.2); stanzaType: rfc keeps to the letter',
      ),
    ],
    [3, 'must', 'Note 1: a sender known by a GRUU is a full JID.'],
    [
      4,
      'should',
      'The gateway answers 200.',
      deviates(
        '202, as RFC 3428 §7 asks of a relay into another network, and only when the stanza is on an authenticated stream; acceptedStatus: 200 is a choice',
      ),
    ],
  ]),
  ...section('7572-5t', 'RFC 7572 §5, table 2', [
    ['body', 'table', 'The body of the MESSAGE is the body.'],
    ['subject', 'table', 'Subject is subject.'],
    ['call-id', 'table', 'Call-ID is thread.'],
    ['lang', 'table', 'Content-Language is xml:lang.'],
    ['cseq', 'table', 'CSeq has no counterpart.'],
    ['from', 'table', 'From is from.'],
    ['to', 'table', 'To or Request-URI is to.'],
    [
      'id',
      'table',
      'The transaction identifier is the id.',
      deviates('the id is made of Call-ID, tag and CSeq, so that a copy that came another way has the same'),
    ],
  ]),
  ...section('7572-6', 'RFC 7572 §6', [
    [1, 'should', 'A stanza that would become a request of more than 1300 bytes is refused with policy-violation.'],
    [
      2,
      'may',
      'A session may carry what is too long.',
      notApplicable('sessions with MSRP (RFC 7573) are not built, and those of Lync-like servers have no other limit'),
    ],
  ]),
  ...section('7572-7', 'RFC 7572 §7', [
    [1, 'must', 'text/plain is processed, and becomes the body.'],
    [2, 'should', 'text/html is processed.'],
    [3, 'must', 'What is processed of text/html becomes XHTML-IM, only what its set allows.'],
    [4, 'may', 'Other types may be processed; what is not is refused.'],
  ]),
  ...section('7572-8', 'RFC 7572 §8', [
    [1, 'must', 'xml:lang is passed on as Content-Language.'],
    [2, 'must', 'Content-Language is passed on as xml:lang.'],
    [3, 'must', 'Text is UTF-8 on both sides.'],
  ]),
  ...section('7572-9', 'RFC 7572 §9', [
    [1, 'must', 'The addresses and errors of RFC 7247 apply, its security considerations with them.'],
    [2, 'should', 'What was encrypted end to end is not passed on as if it were the message.'],
  ]),
]
