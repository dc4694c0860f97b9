import { testRecord } from "./_record.ts";
import { FIGURES } from "./_record_rdp.ts";

testRecord("rdp", FIGURES);
