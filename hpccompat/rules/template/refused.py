"""What NFD's templates have and these lack: a spec that names one of these is refused when it is loaded."""

from __future__ import annotations

# Why -> the functions. Answers that change with the time, by chance or with a secret can't be compared with NFD's, and
# a plan that depends on them would not be the same twice.
_REASONS = {
    "depends on the time": "ago date dateInZone dateModify date_in_zone date_modify htmlDate htmlDateInZone "
    "mustDateModify must_date_modify mustToDate now toDate unixEpoch",
    "gives something else each time": "randAlpha randAlphaNum randAscii randBytes randInt randNumeric shuffle uuidv4",
    "makes keys and passwords": "bcrypt buildCustomCert decryptAES derivePassword encryptAES genCA genCAWithKey "
    "genPrivateKey genSelfSignedCert genSelfSignedCertWithKey genSignedCert genSignedCertWithKey htpasswd",
}
REFUSED = {name: reason for reason, names in _REASONS.items() for name in names.split()}

# Levels of nesting, of actions and of parentheses.
DEPTH = 40


class UnsupportedTemplate(Exception):
    """Never leaves the package's door: `load_spec` turns it into its SpecError. The text names the part."""


class TemplateSyntaxError(Exception):
    """What Go can't parse either. NFD only notices where the rule matches, and so do we: EvaluationError
    (template-parse) then."""
