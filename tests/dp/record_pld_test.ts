import { testRecord } from "./_record.ts";
import { FIGURES } from "./_record_pld.ts";

testRecord("pld", FIGURES);
