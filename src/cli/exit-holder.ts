/** Commands that end with a status but without an error write it to `exit`. */
export interface ExitHolder {
  status: number;
}
