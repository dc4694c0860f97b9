import { testRecord } from "./_record.ts";
import { FIGURES } from "./_record_numerics.ts";

testRecord("numerics", FIGURES);
