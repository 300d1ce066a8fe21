export declare function escapeLocal(text: string): string
export declare function unescapeLocal(local: string): string
