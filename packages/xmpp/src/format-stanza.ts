import type { Stanza } from './stanza.ts'

/** The stanza as text in `jabber:server`, ready to stand on a stream or alone. */
export declare function formatStanza(stanza: Stanza): string
