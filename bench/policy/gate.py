#!/usr/bin/env python3
"""Precision and recall of the types that carry check digits and of secrets, over several labelled sets together.

  bench/policy/gate.py EVALUATE.py GOLD.jsonl PREDICTIONS.jsonl [GOLD PREDICTIONS]...

Exit code 1 where one is below 0.99; of a type with fewer than 100 values one may be missed and one found too many.
"""

import importlib.util
import sys

GOAL = 0.99
TYPES = """
ABA_ROUTING_NUMBER AU_ABN AU_ACN AU_MEDICARE AU_TFN BR_CNPJ BR_CPF CA_SIN CREDIT_CARD CRYPTO DE_BSNR DE_HEALTH_INSURANCE
DE_ID_CARD DE_LANR DE_PASSPORT DE_SOCIAL_SECURITY DE_TAX_ID ES_NIE ES_NIF FI_PERSONAL_IDENTITY_CODE FR_NIR IBAN IN_AADHAAR
IN_GSTIN IT_FISCAL_CODE IT_VAT_CODE KR_BRN KR_FRN KR_RRN MEDICAL_LICENSE NG_NIN NL_BSN PL_PESEL SECRET
SE_ORGANISATIONSNUMMER SE_PERSONNUMMER SG_NRIC_FIN SG_UEN TH_TNIN TR_NATIONAL_ID UK_DRIVING_LICENCE UK_NHS UK_NINO US_ITIN
US_MBI US_NPI US_SSN ZA_ID_NUMBER
""".split()


def evaluator(path):
    spec = importlib.util.spec_from_file_location("evaluate", path)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def main():
    evaluate = evaluator(sys.argv[1])
    counts = {name: [0, 0, 0] for name in TYPES}  # right, wrong, missed
    for gold, found in zip(sys.argv[2::2], sys.argv[3::2], strict=True):
        result, _ = evaluate.score(evaluate.load(gold), evaluate.load(found), types=TYPES)
        for name, one in result["overlap"].items():
            counts[name] = [a + one[b] for a, b in zip(counts[name], ("tp", "fp", "fn"))]
    failed = False
    for name, (right, wrong, missed) in sorted(counts.items()):
        if right + missed == 0:
            continue
        allowed = max(1, int((1 - GOAL) * (right + missed)))
        below = wrong > allowed or missed > allowed
        failed = failed or below
        print(
            f"{name:<26} {right + missed:5d}  precision {right / max(1, right + wrong):.3f}"
            f"  recall {right / (right + missed):.3f}{'  BELOW ' + str(GOAL) if below else ''}"
        )
    right, wrong, missed = (sum(c) for c in zip(*counts.values()))
    precision, recall = right / (right + wrong), right / (right + missed)
    print(f"{'all':<26} {right + missed:5d}  precision {precision:.4f}  recall {recall:.4f}")
    return 1 if failed or precision < GOAL or recall < GOAL else 0


if __name__ == "__main__":
    sys.exit(main())
