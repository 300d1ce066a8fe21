/** What was caught, in words. Asked by shape and not by class, since an error of the host may be of another realm. */
export const messageOf = (caught: unknown): string =>
  typeof caught === 'object' && caught !== null && 'message' in caught ? String(caught.message) : String(caught)

/** The SQLite result code of an error, without its extended part; 0 when it has none. @see SQLite result codes */
export const sqliteCodeOf = (caught: unknown): number =>
  typeof caught === 'object' && caught !== null && 'errcode' in caught && typeof caught.errcode === 'number'
    ? caught.errcode & 0xff
    : 0
