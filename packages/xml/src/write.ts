import type { Element } from 'ltx'

export declare function serializeXml(element: Element): string
export declare function serializeStartTag(element: Element): string
export declare function sanitizeText(text: string): string
export declare function escapeText(text: string): string
export declare function escapeAttribute(text: string): string
