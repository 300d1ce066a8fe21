import type { XmlElement } from '@stox/xml'

/** @see RFC 6120 §5.4.2 */
export type StartTls = 'starttls' | 'proceed' | 'failure'
export declare function parseStartTls(element: XmlElement): StartTls | undefined
export declare function formatStartTls(step: StartTls): string
