import { testRecord } from "./_record.ts";
import { FIGURES } from "./_record_audit.ts";

testRecord("audit", FIGURES);
